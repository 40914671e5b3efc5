"""Every way to decode on an imitated GPU: no tensor is left behind on the CPU, and no step waits too often."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any, get_args

import pytest
import torch
from torch import Tensor
from torch._ops import OpOverload
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from dlm_model.decode_options import SELF_GUIDE, CachePolicyName, DecodeOptions
from dlm_model.engine import DEFAULT_CHECKPOINT, Engine, load_engine
from dlm_model.guides.suffix_end import MAX_FORWARDS
from dlm_model.methods import METHODS, Method
from dlm_model.network.config import ModelConfig
from dlm_model.network.cuda_graphs import GraphedTransformer
from dlm_model.network.kv_cache import KVCache, LayerKV
from dlm_model.network.transformer import Memory, Transformer
from dlm_model.request import CancelToken, InfillRequest
from dlm_model.steps.order import load_order
from dlm_model.tokens.tokenizer import Tokenizer
from tests.model.pretended_cuda import CUDA, Captures, PretendedCuda, move
from tests.model.tiny_checkpoints import load_network
from tests.model.tiny_fills import AlwaysWrong

LOOK = 1 + MAX_FORWARDS  # for the guide's likelihoods of the places where a text may end, if it is asked
KINDS = ("fixed", "resizing", "causal", "block")


REQUEST = InfillRequest("def foo(self, value):\n    ret", "urn value\n", expected_tokens=9, syntax=AlwaysWrong())


@pytest.fixture(scope="module")
def engines(request: pytest.FixtureRequest) -> dict[str, Engine]:
    """Engines of each kind, on the device."""
    opened = {}
    for kind in KINDS:
        folder: Path = request.getfixturevalue(f"{kind}_folder")
        config = ModelConfig.from_checkpoint(folder)
        network = load_network(folder)
        graphed = GraphedTransformer(move(network), Captures())
        opened[kind] = Engine(graphed, Tokenizer.from_checkpoint(folder, config.vocab_size), kind, load_order(folder))
    return opened


def waits(engine: Engine, **options: object) -> list[int]:
    """How often each step but the first made the CPU wait; the text must be that of a run without the device."""
    with PretendedCuda() as device:
        counted, texts = [0], []
        for draft in engine.infill(REQUEST, DecodeOptions(**options), CancelToken()):  # type: ignore[arg-type]
            counted.append(sum(device.waits.values()))
            texts.append(draft.text)
    there = engine.infill(REQUEST, DecodeOptions(**options), CancelToken())  # type: ignore[arg-type]
    assert [draft.text for draft in there] == texts
    number_per_step = [after - before for before, after in pairwise(counted[1:-1])]
    assert number_per_step, "nothing was counted"
    return number_per_step


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name.replace(" ", "-"))
def test_a_method_waits_for_what_it_decides_by_and_nothing_else(engines: dict[str, Engine], method: Method) -> None:
    options = {"num_steps": 3, "schedule": "linear"} | method.options
    kind = "block" if "block_add_threshold" in options else "causal"
    # One for the statistics of the guess; one each for the guide, the change of the distributions, and the draw.
    is_guided = options.get("guide") == SELF_GUIDE
    allowed = 1 + sum((is_guided, options["schedule"] == "klass", "num_candidates" in options))
    allowed += LOOK if is_guided else 0
    assert all(number <= allowed for number in waits(engines[kind], **options))


def test_stability_of_what_two_have_settled_waits_no_more_often(engines: dict[str, Engine]) -> None:
    options = {"num_steps": 3, "schedule": "klass", "guide": SELF_GUIDE}
    assert all(number <= 3 + LOOK for number in waits(engines["causal"], **options))


@pytest.mark.parametrize("policy", get_args(CachePolicyName))
@pytest.mark.parametrize("kind", KINDS)
def test_a_cache_never_waits(engines: dict[str, Engine], kind: str, policy: str) -> None:
    options = {"cache_policy": policy, "prompt_refresh_interval": 3, "num_steps": 4, "schedule": "linear"}
    assert set(waits(engines[kind], **options)) <= {1}


@pytest.mark.parametrize("kind", ["fixed", "resizing"])
def test_a_prompt_that_is_kept_never_waits_after_the_first_step(engines: dict[str, Engine], kind: str) -> None:
    engine, options = engines[kind], DecodeOptions(drift_bound=0.5, num_steps=4, schedule="linear")
    engine.forget()
    texts = []
    with PretendedCuda() as device:
        for _ in range(2):
            counted = []
            for draft in engine.infill(REQUEST, options, CancelToken()):
                counted.append(sum(device.waits.values()))
                text = draft.text
            assert {after - before for before, after in pairwise(counted[:-1])} <= {1}
            texts.append(text)
    assert texts[0] == texts[1]
    # What another test kept on the device is of no use without it.
    engine.forget()


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_drawn_is_drawn_on_the_cpu(engines: dict[str, Engine], kind: str) -> None:
    is_guided = kind == "causal"
    options = {"num_steps": 3, "temperature": 0.8, "num_candidates": 4, "guide": SELF_GUIDE if is_guided else None}
    num_looks = 4 if is_guided else 0  # one for each candidate
    assert all(number <= (4 if is_guided else 2) + num_looks * LOOK for number in waits(engines[kind], **options))


class OnlyThere(TorchDispatchMode):
    """Checks that every operation leaves its result on the device of the network, as a recording requires.

    Reading a value off that device, or looking for places in it, raises by itself.
    """

    def __init__(self, device: torch.device) -> None:
        super().__init__()
        self._device = device
        self.num_operations = 0

    def __torch_dispatch__(
        self, func: OpOverload, _types: object, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:  # noqa: ANN401
        result = func(*args, **(kwargs or {}))
        self.num_operations += 1
        for each in tree_leaves(result):
            assert not isinstance(each, Tensor) or each.device == self._device, func
        return result


@pytest.mark.parametrize("mask", ["padded", "per query"])
@pytest.mark.parametrize("shape", ["fixed", "qk_norm", "packaged"])
def test_a_pass_that_is_recorded_stays_on_its_device(shape: str, mask: str, fixed_folder: Path) -> None:
    """On torch's device `meta`, down to the operators that torch's own functions are made of."""
    config = ModelConfig.from_checkpoint(DEFAULT_CHECKPOINT if shape == "packaged" else fixed_folder)
    config = replace(config, has_qk_norm=shape == "qk_norm")
    num_rows, num_queries, num_memory, meta = 2, 32, 256, torch.device("meta")
    with meta:
        network = GraphedTransformer(Transformer(config), Captures())
        states = torch.zeros(num_rows, num_memory, config.num_kv_heads, config.head_dim)
        memory = Memory(
            KVCache((LayerKV(states, states),) * config.num_layers), torch.zeros(num_rows, num_memory).long()
        )
        token_ids = torch.zeros(num_rows, num_queries).long()
        sees = (num_queries,) if mask == "per query" else ()
        may_attend = torch.ones(num_rows, *sees, num_queries + num_memory, dtype=torch.bool)
    with torch.inference_mode(), OnlyThere(meta) as device:
        hidden = network(token_ids, token_ids, may_attend, memory)
    assert hidden.shape == (num_rows, num_queries, config.hidden_size)
    assert device.num_operations > 20 * config.num_layers
    with OnlyThere(meta), pytest.raises(AssertionError):
        torch.zeros(1)
    with pytest.raises(RuntimeError, match="meta"):
        bool(hidden.any())


def test_attention_makes_no_plan_for_every_prompt(fixed_folder: Path) -> None:
    try:
        with PretendedCuda():
            assert load_engine(str(fixed_folder), "cuda:0").device == "cuda:0"
        assert not torch.backends.cuda.cudnn_sdp_enabled()
    finally:
        torch.backends.cuda.enable_cudnn_sdp(True)


def test_the_pretended_device_refuses_and_counts() -> None:
    with PretendedCuda() as device:
        there, here = torch.zeros(3, device=CUDA), torch.zeros(3)
        assert (there.device, here.device.type, (there + 1).device) == (CUDA, "cpu", CUDA)
        with pytest.raises(RuntimeError, match="add of tensors on cuda:0 and on the CPU"):
            there + here
        there[there.argmax()], here.pin_memory().to(CUDA, non_blocking=True), there * 2.0
        assert not device.waits
        there[there > 0], there[[0]], there[torch.tensor([0])], here.to(CUDA), there.cpu(), bool(there.any())
        assert sum(device.waits.values()) == 6
