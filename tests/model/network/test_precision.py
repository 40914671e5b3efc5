"""Weights in fewer bits, on tiny checkpoints: what is rounded, what is not, and what cannot be had."""

import shutil
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from torch import nn

from dlm_model.decode_options import SELF_GUIDE, DecodeOptions
from dlm_model.engine import Engine, load_engine
from dlm_model.errors import DeviceError
from dlm_model.guides.guide import GUIDE_FOLDER
from dlm_model.network.config import ModelConfig
from dlm_model.network.precision import Precision, _is_rounded, weight_format
from dlm_model.network.transformer import Transformer
from dlm_model.network.weights import load_transformer
from dlm_model.request import CancelToken, InfillRequest
from tests.bench import precision as bench
from tests.bench.cases import Case
from tests.bench.report import GateError
from tests.model.families.published_checkpoints import PUBLISHED
from tests.model.tiny_fills import REQUEST

CPU, CUDA = torch.device("cpu"), torch.device("cuda")
needs_torchao = pytest.mark.skipif(find_spec("torchao") is None, reason="torchao is not installed")


def load(folder: Path, precision: Precision) -> Transformer:
    config = ModelConfig.from_checkpoint(folder)
    return load_transformer(folder, config, device=CPU, dtype=torch.float32, precision=precision)


def is_rounded(module: nn.Linear) -> bool:
    return type(module.weight.data) is not torch.Tensor


@needs_torchao
def test_the_layers_are_rounded_and_nothing_else(causal_folder: Path) -> None:
    network = load(causal_folder, "int8")
    layers = [module for module in network.layers.modules() if isinstance(module, nn.Linear)]
    assert len(layers) == 3 * 7
    assert all(is_rounded(module) for module in layers)
    assert not is_rounded(network.lm_head)
    assert type(network.embed_tokens.weight.data) is torch.Tensor


@needs_torchao
def test_eight_bits_are_close_to_all_of_them(causal_folder: Path) -> None:
    exact, rounded = load(causal_folder, "auto"), load(causal_folder, "int8")
    tokens, positions = torch.arange(40)[None], torch.arange(40)[None]
    with torch.inference_mode():
        wanted, found = (network.logits(network(tokens, positions)) for network in (exact, rounded))
    assert not torch.equal(found, wanted)
    assert (found - wanted).norm() < 0.05 * wanted.norm()
    for before, after in zip(exact.layers.modules(), rounded.layers.modules(), strict=True):
        if isinstance(before, nn.Linear):
            largest = before.weight.abs().amax(dim=1, keepdim=True)
            assert ((after.weight.dequantize() - before.weight).abs() <= largest / 127).all()  # type: ignore[operator]


@needs_torchao
def test_an_engine_of_eight_bits_fills(causal_folder: Path) -> None:
    engine: Engine = load_engine(str(causal_folder), "cpu", "int8")
    request = InfillRequest("def foo(self):\n    ret", "\n")
    *_, last = engine.infill(request, DecodeOptions(num_steps=4), CancelToken())
    assert last.finish_reason in {"stop", "length"}
    assert last.text == list(engine.infill(request, DecodeOptions(num_steps=4), CancelToken()))[-1].text


@needs_torchao
@pytest.mark.parametrize("is_named", [False, True], ids=["brought along", "named"])
def test_a_guide_takes_as_few_bits_as_its_model(
    causal_folder: Path, fixed_folder: Path, tmp_path: Path, is_named: bool
) -> None:
    shutil.copytree(causal_folder, tmp_path / "model")
    shutil.copytree(fixed_folder, tmp_path / "model" / GUIDE_FOLDER)
    engine = load_engine(str(tmp_path / "model"), "cpu", "int8")
    guide = engine.decoder.guides.open(str(fixed_folder) if is_named else SELF_GUIDE, "").network
    assert guide is not engine.network
    # What is not rounded is packed, and no linear layer any more.
    layers = [module for module in guide.layers.modules() if isinstance(module, nn.Linear)]
    assert len(layers) == 3 * 7
    assert all(is_rounded(module) for module in layers)


@needs_torchao
def test_a_router_stays(tmp_path: Path) -> None:
    PUBLISHED["llada-moe"](tmp_path)
    linears = {
        name: each for name, each in load(tmp_path, "int8").layers.named_modules() if isinstance(each, nn.Linear)
    }
    routers = {name for name in linears if name.endswith(".gate")}
    assert routers
    assert {name for name, module in linears.items() if not is_rounded(module)} == routers


@needs_torchao
def test_four_bits_are_for_cuda(causal_folder: Path) -> None:
    with pytest.raises(DeviceError, match="int4 weights need a CUDA GPU"):
        load(causal_folder, "int4")
    assert weight_format("int4", CUDA).startswith("int4 weights, torchao ")


def test_a_gpu_too_old_for_four_bits_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: (7, 5))
    with pytest.raises(DeviceError, match="compute capability"):
        weight_format("int4", CUDA)
    assert weight_format("int8", CUDA).startswith("int8 weights, torchao ")


@pytest.mark.parametrize(("capability", "expected"), [((7, 5), "fp32"), ((8, 0), "bf16"), ((9, 0), "bf16")])
def test_a_gpu_without_instructions_for_bf16_computes_in_fp32(
    monkeypatch: pytest.MonkeyPatch, capability: tuple[int, int], expected: str
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: capability)
    assert weight_format("auto", CUDA).split(",")[0] == expected


@pytest.mark.parametrize(
    ("width", "precision", "expected"), [(96, "int8", True), (96, "int4", False), (128, "int4", True)]
)
def test_four_bits_take_whole_groups(width: int, precision: Precision, expected: bool) -> None:
    assert _is_rounded(nn.Linear(width, 8), "0.mlp.up_proj", precision=precision) is expected


def test_without_the_library_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dlm_model.network.precision.find_spec", lambda _name: None)
    with pytest.raises(DeviceError, match=r"pip install 'dlm-lsp\[quantize\]'"):
        weight_format("int8", CPU)
    assert weight_format("auto", CUDA) == weight_format("bf16", CUDA) == "bf16"


def test_sixteen_bits_are_what_the_device_computes_in(causal_folder: Path) -> None:
    found, wanted = (load(causal_folder, each).state_dict() for each in ("bf16", "auto"))
    assert found.keys() == wanted.keys()
    assert all(torch.equal(found[name], tensor) for name, tensor in wanted.items())


@pytest.mark.parametrize("is_broken", [False, True])
def test_the_bench_reports_no_speed_of_weights_that_predict_something_else(
    resizing_folder: Path, monkeypatch: pytest.MonkeyPatch, is_broken: bool
) -> None:
    rounded = load_engine(str(resizing_folder), "cpu")
    head = rounded.network.logits
    if is_broken:
        monkeypatch.setattr(rounded.network, "logits", lambda hidden: head(hidden).roll(1, dims=-1))
    monkeypatch.setattr(bench, "make_cases", lambda *_, **__: [Case("any", REQUEST, "")])
    monkeypatch.setattr(bench, "_rounded", lambda *_: [bench.Subject("int8", rounded)])
    rows = bench.measure(str(resizing_folder), "cpu", num_cases=1, num_steps=2)
    if is_broken:
        with pytest.raises(GateError, match="int8 weights agree in"):
            list(rows)
    else:
        assert [row.argmax_agreement for row in rows] == [1.0, 1.0]
