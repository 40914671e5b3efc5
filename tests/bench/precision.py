"""Weights in fewer bits: how fast, how small, and whether they predict the same as sixteen bits.

The same holes of real code are filled by each precision in turn, so that a slow minute hits all alike. At every
step of a rounded model, the model of sixteen bits predicts the same canvas too.
"""

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from statistics import mean, median
from typing import get_args
from unittest.mock import patch

from dlm_model.cache.policies import CachePolicy
from dlm_model.decode_options import DecodeOptions
from dlm_model.decoding import Decoder
from dlm_model.engine import Engine, load_engine
from dlm_model.errors import DeviceError
from dlm_model.network.precision import Precision
from dlm_model.request import CancelToken
from tests.bench.cases import Case, make_cases
from tests.bench.fidelity import Agreement, Compared
from tests.bench.latency import Policy, policies
from tests.bench.machine import hardware, held_bytes, this_machine
from tests.bench.report import GateError, print_report

REFERENCE = "bf16"
LEAST_AGREEMENT = 0.5
"""Weights that are rounded as they should be seldom change the best token; those of a broken product nearly always."""


@dataclass(frozen=True, slots=True)
class PrecisionRow:
    """One precision over all holes.

    Attributes:
        precision: As the option has it; `bf16` is what the device computes in.
        policy: How the prompt is remembered.
        prompt_tokens: Of both sides, median.
        middle_tokens: Of the finished fill, median.
        weights_mib: Of the whole network, as held.
        num_fills: Holes that were filled.
        ms_per_step: Median of the steps after the first.
        ms_per_fill: Median.
        floor_ratio: `ms_per_step` over what the machine allows at least with weights of so many bytes.
        argmax_agreement: With sixteen bits, at every masked position of every step.
        identical_text: Share of fills with the text of sixteen bits.
    """

    precision: str
    policy: str
    prompt_tokens: int
    middle_tokens: int
    weights_mib: float
    num_fills: int
    ms_per_step: float
    ms_per_fill: float
    floor_ratio: float
    argmax_agreement: float
    identical_text: float


@dataclass
class Subject:
    """An engine, and the fills that it has made."""

    precision: str
    engine: Engine
    agreement: Agreement = field(default_factory=Agreement)
    texts: list[str] = field(default_factory=list)
    num_tokens: list[int] = field(default_factory=list)
    step_ms: list[float] = field(default_factory=list)
    fill_ms: list[float] = field(default_factory=list)


def measure(model: str | None, device: str, *, num_cases: int, num_steps: int) -> Iterator[PrecisionRow]:
    """A row for each precision that the device can hold.

    Raises:
        GateError: one of them predicts something else altogether.
    """
    subjects = [Subject(REFERENCE, load_engine(model, device, REFERENCE)), *_rounded(model, device)]
    reference = subjects[0]
    policy = _remembered(reference.engine, num_steps)
    options, machine = policy.options, this_machine(reference.engine.network)
    cases = make_cases(reference.engine, num_cases, max_prompt_tokens=256)
    for case in cases:
        for subject in subjects:
            list(
                subject.engine.infill(case.request, DecodeOptions(num_steps=1, guide="none"), CancelToken())
            )  # so that the prompt is known
            drafts = list(subject.engine.infill(case.request, options, CancelToken()))
            subject.texts.append(drafts[-1].text)
            subject.num_tokens.append(drafts[-1].num_tokens)
            subject.fill_ms.append(drafts[-1].elapsed_ms)
            subject.step_ms.append((drafts[-1].elapsed_ms - drafts[0].elapsed_ms) / max(1, drafts[-1].step - 1))
            with _beside(reference.engine, subject.agreement):
                list(subject.engine.infill(case.request, options, CancelToken()))
    for subject in subjects:
        if subject.agreement.share < LEAST_AGREEMENT:
            raise GateError(f"{subject.precision} weights agree in {subject.agreement.share:.1%} of positions")
    prompt_tokens = round(median(map(partial(_num_prompt_tokens, reference.engine), cases)))
    for subject in subjects:
        network, middle_tokens, ms_per_step = (
            subject.engine.network,
            *map(median, (subject.num_tokens, subject.step_ms)),
        )
        yield PrecisionRow(
            precision=subject.precision,
            policy=policy.name,
            prompt_tokens=prompt_tokens,
            middle_tokens=round(middle_tokens),
            weights_mib=sum(map(held_bytes, network.parameters())) / 2**20,
            num_fills=len(subject.texts),
            ms_per_step=ms_per_step,
            ms_per_fill=median(subject.fill_ms),
            floor_ratio=ms_per_step / machine.floor_ms(network, round(middle_tokens)),
            argmax_agreement=subject.agreement.share,
            identical_text=mean(a == b for a, b in zip(subject.texts, reference.texts, strict=True)),
        )


def _remembered(engine: Engine, num_steps: int) -> Policy:
    """The policy that computes the prompt once."""
    cached = [policy for policy in policies(engine, num_steps) if not policy.is_exact]
    return next(policy for policy in cached if policy.options.prompt_refresh_interval == 0)


def _num_prompt_tokens(engine: Engine, case: Case) -> int:
    return sum(map(engine.count_tokens, (case.request.prefix, case.request.suffix)))


def _rounded(model: str | None, device: str) -> Iterator[Subject]:
    for precision in get_args(Precision):
        if precision.startswith("int"):
            try:
                yield Subject(precision, load_engine(model, device, precision))  # type: ignore[arg-type]
            except DeviceError as error:
                print(f"{precision} is left out: {error}")


@contextmanager
def _beside(reference: Engine, agreement: Agreement) -> Iterator[None]:
    """Within this context, engines also ask the reference at every step, and count how often both agree."""
    open_cache = Decoder.open_cache

    def open_compared(decoder: Decoder, options: DecodeOptions, document: str) -> CachePolicy:
        policies = (open_cache(each, options, document) for each in (decoder, reference.decoder))
        return Compared(*policies, agreement)

    with patch.object(Decoder, "open_cache", open_compared):
        yield


def run(arguments: argparse.Namespace) -> dict[str, object]:
    """Fill the holes."""
    num_cases, num_steps = (3, 4) if arguments.quick else (12, 8)
    rows = list(measure(arguments.model, arguments.device, num_cases=num_cases, num_steps=num_steps))
    network = load_engine(arguments.model, arguments.device).network
    return print_report("precision", hardware(network, this_machine(network)) | {"num_steps": num_steps}, rows)


def parser() -> argparse.ArgumentParser:
    """The flags, which `gpu` fills in itself."""
    flags = argparse.ArgumentParser(description="Fill the same holes with weights in sixteen and in fewer bits.")
    flags.add_argument("--quick", action="store_true", help="a minute at most on two CPU cores")
    flags.add_argument("--model", help="a checkpoint folder instead of the packaged weights")
    flags.add_argument("--device", default="auto")
    return flags


def main() -> None:
    """Command line."""
    try:
        run(parser().parse_args())
    except GateError as error:
        sys.exit(f"precision: {error}")


if __name__ == "__main__":
    main()
