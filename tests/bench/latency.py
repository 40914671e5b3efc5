"""What a denoise step and a fill cost, per cache policy, beside the floor of the machine and beside peers.

    python -m tests.bench.latency --quick          the packaged weights, a minute on two CPU cores
    python -m tests.bench.latency --shape 7b       random weights in the shape of Dream-Coder-7B, for a GPU

A step with the prompt computes prompt and canvas; one that reads it from the cache computes the canvas alone. Both
read every weight once. Times are those of whole steps of the real loop, choosing and bookkeeping included. The weights
are measured with the kind of prompt that they were trained for, and then with the other kinds, because each kind has
caches of its own. How many steps a method saves is measured by `bench-methods`; quality is in the model card.

Agreement is with a run that remembers nothing from step to step, and reads prefix and suffix in one pass each, as a
cold fill does. In bf16 a prompt that was read in parts is rounded differently; `keystrokes` measures that.
"""

import argparse
import sys
import time
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass, replace
from itertools import pairwise
from statistics import mean, median
from typing import get_args

from rich.console import Console

from dlm_model.cache.policies import is_refresh
from dlm_model.decode_options import CachePolicyName, DecodeOptions
from dlm_model.engine import Engine
from dlm_model.pace import Pace
from dlm_model.request import CancelToken, InfillRequest
from tests.bench.fidelity import always_exact, compared_with_exact, exact_policy
from tests.bench.machine import Machine, hardware, peak_memory_mib, synchronize, this_machine
from tests.bench.peers import measure_peers
from tests.bench.report import GateError, Row, print_report
from tests.bench.subjects import PROMPTS, SHAPES, load_subject, prompt_of, reading, requests

# In bf16 rounding alone decides near ties, more of them on a GPU that has other kernels for other shapes. So a token
# counts as the same if its exact logit is this close to the best one, in standard deviations of all logits; few tokens
# of a wrong cache are.
NEAR_TIE = 0.25
LEAST_AGREEMENT_OF_EXACT_CACHES = 0.9


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured: every prompt with its middle, at every batch, with this many steps, at this many places.

    Attributes:
        num_other_prompts: How many of the prompts are also read in the ways that the weights were not trained for,
            with one candidate.
    """

    prompts: tuple[tuple[int, int], ...]
    batches: tuple[int, ...]
    num_steps: int
    num_requests: int
    num_other_prompts: int = 1

    @property
    def of_others(self) -> "Size":
        """The smaller size for the other ways to read a prompt."""
        return replace(self, prompts=self.prompts[: self.num_other_prompts], batches=self.batches[:1])


QUICK = Size(prompts=((256, 32), (512, 32)), batches=(1,), num_steps=4, num_requests=1)
FULL = Size(prompts=((256, 32), (1024, 128), (4096, 128)), batches=(1, 4), num_steps=8, num_requests=2)
FULL_GPU = Size(
    prompts=((256, 32), (1024, 128), (1024, 400), (4096, 128), (8192, 400)),
    batches=(1, 4, 8),
    num_steps=8,
    num_requests=2,
    num_other_prompts=5,
)
INTERVALS = (2, 4)
D2F_ADD_THRESHOLD = 0.1


@dataclass(frozen=True, slots=True)
class Policy:
    """A way to remember the prompt; the exact one remembers nothing, and is what the others are compared with."""

    name: str
    options: DecodeOptions
    is_exact: bool = False


@dataclass(frozen=True, slots=True)
class Fill:
    """One run: its text, the milliseconds of each step, and those of the whole run."""

    text: str
    step_ms: list[float]
    total_ms: float


def policies(engine: Engine, num_steps: int) -> list[Policy]:
    """The policies that fit the engine's kind of prompt.

    Overlapping blocks are committed in another order, and so may end with another text though their cache is exact.
    """
    base = DecodeOptions(num_steps=num_steps, schedule="linear", guide="none", prompt_refresh_interval=0)
    exact = Policy("none", replace(base, prompt_refresh_interval=1), is_exact=True)
    match prompt_of(engine):
        case "causal":
            return [exact, Policy("causal prompt", base)]
        case "blocks":
            overlapping = replace(base, block_add_threshold=D2F_ADD_THRESHOLD)
            return [exact, Policy("finished blocks", base), Policy("overlapping blocks", overlapping)]
    intervals = {f"refresh {n}": replace(base, prompt_refresh_interval=n) for n in INTERVALS if n < num_steps}
    kept = {name: replace(base, cache_policy=name) for name in get_args(CachePolicyName) if name != "interval"}
    return [exact, *(Policy(name, options) for name, options in (intervals | {"prefill once": base} | kept).items())]


def fill(engine: Engine, request: InfillRequest, options: DecodeOptions) -> Fill:
    """Time one fill, from the request to the last draft."""
    device = engine.network.device
    synchronize(device)
    times, text = [time.perf_counter()], ""
    for draft in engine.infill(request, options, CancelToken()):
        synchronize(device)
        times.append(time.perf_counter())
        text = draft.text
    # The last draft repeats that of the last step, with the reason why the fill ended.
    steps = [(after - before) * 1000 for before, after in pairwise(times[:-1])]
    return Fill(text, steps, (times[-1] - times[0]) * 1000)


def check(engine: Engine, request: InfillRequest) -> None:
    """The gate: right after the prefill, a cache has to predict what the exact network does.

    Raises:
        GateError: it does not.
    """
    options = DecodeOptions(middle_length=32, prompt_refresh_interval=0)
    canvas = engine.preparation.prepare(request, options, Pace(options), CancelToken()).canvas
    engine.forget()
    cached = engine.decoder.open_cache(options, request.document)
    cached(canvas)
    found, exact = cached(canvas).argmax(-1), exact_policy(engine.network, options)(canvas).float()
    behind = exact.amax(-1) - exact.gather(1, found[:, None]).squeeze(1)
    agreement = float((behind <= NEAR_TIE * exact.std(-1)).float().mean())
    if agreement < LEAST_AGREEMENT_OF_EXACT_CACHES:
        raise GateError(f"a cache that should be exact agrees in {agreement:.1%} of positions")


def measure(engine: Engine, machine: Machine, size: Size) -> Iterator[Row]:
    """A row per policy, prompt, middle and batch; says on standard error which is being measured."""
    log = Console(stderr=True)
    for prompt_tokens, middle_tokens in size.prompts:
        places = requests(engine, size.num_requests, prompt_tokens)
        for batch in size.batches:
            exact_texts: list[str] = []
            for policy in policies(engine, size.num_steps):
                log.print(
                    f"{policy.name}, {prompt_of(engine)}, {prompt_tokens} + {middle_tokens} tokens, batch {batch}"
                )
                options = replace(
                    policy.options,
                    middle_length=middle_tokens,
                    max_middle_tokens=max(middle_tokens, policy.options.max_middle_tokens),
                    num_candidates=batch,
                )
                fills = list(_cold_fills(engine, places, policy, options))
                exact_texts = exact_texts or [each.text for each in fills]
                row = _row(engine, machine, replace(policy, options=options), fills, prompt_tokens)
                if not policy.is_exact:
                    row = replace(
                        row,
                        argmax_agreement=_agreement(engine, places, options) if batch == 1 else None,
                        identical_text=mean(a.text == b for a, b in zip(fills, exact_texts, strict=True)),
                    )
                yield row


def _cold_fills(engine: Engine, places: list[InfillRequest], policy: Policy, options: DecodeOptions) -> Iterator[Fill]:
    with always_exact() if policy.is_exact else nullcontext():
        fill(engine, places[0], replace(options, num_steps=2))
        for place in places:
            engine.forget()
            yield fill(engine, place, options)


def _row(engine: Engine, machine: Machine, policy: Policy, fills: list[Fill], prompt_tokens: int) -> Row:
    """With a cache, a step that computes the prompt counts for the fill, and not for the median step."""
    options = policy.options
    steps = [
        milliseconds
        for each in fills
        for step, milliseconds in enumerate(each.step_ms)
        if policy.is_exact or not is_refresh(step, options)
    ]
    block_length = engine.network.config.block_length or options.middle_length
    least = options.middle_length + prompt_tokens if policy.is_exact else min(options.middle_length, block_length)
    ms_per_step = median(steps)
    return Row(
        policy=policy.name,
        prompt=prompt_of(engine),
        prompt_tokens=prompt_tokens,
        middle_tokens=options.middle_length,
        batch=options.num_candidates,
        ms_per_step=ms_per_step,
        ms_per_fill=median(each.total_ms for each in fills),
        floor_ratio=ms_per_step / machine.floor_ms(engine.network, options.num_candidates * least),
        peak_memory_mib=peak_memory_mib(engine.network.device),
    )


def _agreement(engine: Engine, places: list[InfillRequest], options: DecodeOptions) -> float:
    """Repeat the cold fills, with the exact prediction beside every step."""
    with compared_with_exact() as agreement:
        for place in places:
            engine.forget()
            fill(engine, place, options)
    return agreement.share


def run(arguments: argparse.Namespace) -> dict[str, object]:
    """Measure one subject, and its peers."""
    engine = load_subject(arguments.shape, arguments.device, arguments.model)
    is_gpu = engine.device.startswith("cuda")
    size = QUICK if arguments.quick else FULL_GPU if is_gpu else FULL
    size = replace(
        size,
        prompts=tuple(
            each for each in size.prompts if arguments.prompt in {None, each[0]} and arguments.middle in {None, each[1]}
        ),
        batches=tuple(each for each in size.batches if arguments.batch in {None, each}),
        num_steps=arguments.steps or size.num_steps,
    )
    machine = this_machine(engine.network)
    others = [reading(engine, prompt) for prompt in PROMPTS if prompt != prompt_of(engine)]
    rows: list[Row] = []
    for kind in (engine, *others):
        if arguments.only == "peers":
            break
        if arguments.reading not in {None, prompt_of(kind)}:
            continue
        check(kind, requests(kind, 1, 128)[0])
        rows += measure(kind, machine, size if kind is engine else size.of_others)
    sizes = size.prompts[:1] if arguments.quick else size.prompts
    if arguments.only != "own":
        rows += measure_peers(engine, sizes, arguments, size.num_steps)
    facts = hardware(engine.network, machine) | {"model": engine.model_name, "num_steps": size.num_steps}
    return print_report("latency", facts, rows)


def parser() -> argparse.ArgumentParser:
    """The flags, which `gpu` fills in itself."""
    flags = argparse.ArgumentParser(description="Time steps and fills per cache policy, beside the machine's floor.")
    flags.add_argument("--quick", action="store_true", help="a minute at most on two CPU cores")
    flags.add_argument("--shape", default="packaged", choices=["packaged", *SHAPES])
    flags.add_argument("--model", help="a checkpoint folder instead of the packaged weights")
    flags.add_argument("--device", default="auto")
    flags.add_argument("--prompt", type=int, help="of all sizes, those with so many prompt tokens")
    flags.add_argument("--middle", type=int, help="of all sizes, those with so many tokens to fill in")
    flags.add_argument("--batch", type=int, help="of all sizes, those with so many candidates")
    flags.add_argument("--steps", type=_num_steps, help="of each fill: from 4 to 30; usually 8, in a quick run 4")
    flags.add_argument("--reading", choices=PROMPTS, help="the one way to read the prompt, instead of all three")
    flags.add_argument("--only", choices=["own", "peers"], help="our own rows alone, or those of the peers")
    flags.add_argument("--gguf", help="a GGUF file for llama.cpp, if llama-cpp-python is installed")
    flags.add_argument("--dream-code", help="a folder with modeling_dream.py, as Fast-dLLM's dream/model")
    flags.add_argument("--dreamon-code", help="besides, a folder with DreamOn's generator.py: its eval")
    flags.add_argument("--dream-python", default=sys.executable, help="a Python with the transformers they want")
    return flags


def _num_steps(text: str) -> int:
    """A number of steps that leaves every policy some in which it reads its cache."""
    number = int(text)
    if not 4 <= number <= 30:
        raise argparse.ArgumentTypeError("from 4 to 30")
    return number


def main() -> None:
    """Command line."""
    try:
        run(parser().parse_args())
    except GateError as error:
        sys.exit(f"latency: {error}")


if __name__ == "__main__":
    main()
