"""The memory that a model is estimated to need, against its tensors, and the recommendations that follow."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from safetensors.torch import load_file

from dlm_lsp.cli import run
from dlm_lsp.models.catalogue import CATALOGUE, CatalogueEntry
from dlm_lsp.models.footprint import (
    Companion,
    Footprint,
    Load,
    Shape,
    footprint,
    num_active_parameters,
    num_parameters,
    with_guide,
)
from dlm_lsp.models.recommendation import suggest
from dlm_model.network.config import ModelConfig
from dlm_model.network.mixture_config import MixtureConfig
from dlm_model.network.precision import Precision
from tests.model.families.published_checkpoints import PUBLISHED

LOAD = Load(num_candidates=4, num_prompt_tokens=1024, num_middle_tokens=256)
GIB = 1 << 30


@pytest.mark.parametrize("family", PUBLISHED)
def test_parameters_are_counted_as_the_file_has_them(tmp_path: Path, family: str) -> None:
    PUBLISHED[family](tmp_path)
    shape = Shape.of(ModelConfig.from_checkpoint(tmp_path))
    tensors = load_file(tmp_path / "model.safetensors")
    if shape.ties_embeddings:
        tensors.pop("lm_head.weight", None)  # stored twice by some
    matrices = [tensor for tensor in tensors.values() if tensor.dim() == 2]
    assert num_parameters(shape) == sum(tensor.numel() for tensor in matrices)


@pytest.mark.parametrize(
    ("name", "billions"),
    [
        ("llada-8b", 8.02),
        ("illada-8b", 7.62),
        ("dream-7b", 7.61),
        ("llada-moe-7b", 7.36),
        ("open-dcoder-0.5b", 0.49),
        ("llada2.1-mini", 16.26),
        ("sdar-30b-b32", 30.53),
        ("dreamreasoner-8b", 8.19),
        ("stable-diffcoder-8b", 8.25),
        ("sdar-8b", 8.19),
        ("fast-dllm-v2-7b", 7.62),
        ("fast-dllm-v2-1.5b", 1.54),
    ],
)
def test_the_catalogues_shapes_add_up_to_what_is_published(name: str, billions: float) -> None:
    assert num_parameters(CATALOGUE[name].shape) == pytest.approx(billions * 1e9, rel=0.01)


@pytest.mark.parametrize("entry", CATALOGUE.values(), ids=lambda entry: entry.name)
def test_the_catalogue_says_how_much_of_a_mixture_is_active(entry: CatalogueEntry) -> None:
    said = re.search(r"([\d.]+)B of (\d+)B active", entry.note)
    active, whole = num_active_parameters(entry.shape) / 1e9, num_parameters(entry.shape) / 1e9
    assert (active < whole) == (said is not None)
    if said:
        assert (float(said[1]), float(said[2])) == (pytest.approx(active, abs=0.4), pytest.approx(whole, abs=1))


def test_active_experts_count_for_a_token_and_all_of_them_for_memory() -> None:
    mixture = MixtureConfig(num_experts=6, num_active_experts=2, expert_size=3, shared_size=5, num_dense_layers=1)
    sizes = {"vocab_size": 10, "hidden_size": 4, "num_heads": 2, "num_kv_heads": 1, "head_dim": 2}
    shape = Shape(**sizes, intermediate_size=8, num_layers=3, mixture=mixture)
    elsewhere = 2 * 10 * 4 + 3 * 4 * 2 * 2 * (2 + 1) + 3 * 4 * 8 + 2 * 4 * 6
    assert num_parameters(shape) == elsewhere + 2 * 3 * 4 * (6 * 3 + 5)
    assert num_active_parameters(shape) == elsewhere + 2 * 3 * 4 * (2 * 3 + 5)
    load, narrow = Load(2, 3, 5), replace(mixture, num_dense_layers=0)
    found = footprint(shape, load, bytes_per_number=2)
    assert found.weights == 2 * num_parameters(shape)
    logits, routed = 2 * 5 * 10 * 4 * 3, 16 * 2 * 3 * (4 + 3) * 2
    assert found.workspace == logits + 16 * (2 * 8 + 4 * 4) * 2 + routed
    without_dense = footprint(replace(shape, mixture=narrow), load, bytes_per_number=2)
    assert without_dense.workspace == logits + 16 * (2 * 5 + 4 * 4) * 2 + routed
    on_gpu = footprint(shape, load, bytes_per_number=2, is_gpu=True)
    assert on_gpu.workspace == found.workspace + 16 * (6 - 2) * 3 * 3 * 2


@pytest.mark.parametrize(("precision", "is_recorded"), [("bf16", True), ("int8", False), ("int4", False)])
def test_passes_of_a_mixture_are_recorded_in_sixteen_bits(precision: Precision, is_recorded: bool) -> None:
    shape = CATALOGUE["llada-moe-7b"].shape
    found = footprint(shape, LOAD, bytes_per_number=2, precision=precision, is_gpu=True)
    assert (found.graphs > 0) == is_recorded


def test_memory_by_hand() -> None:
    shape = Shape(
        vocab_size=10, hidden_size=4, intermediate_size=8, num_layers=2, num_heads=2, num_kv_heads=1, head_dim=2
    )
    found = footprint(shape, Load(2, 3, 5), bytes_per_number=2)
    per_layer = 4 * 2 * 2 * (2 + 1) + 3 * 4 * 8
    assert found.weights == 2 * (2 * 10 * 4 + 2 * per_layer)
    assert found.cache == 2 * (2 * 8) * (2 * 2 * 1 * 2)
    assert found.workspace == 2 * 5 * 10 * 4 * 3 + 16 * (2 * 8 + 4 * 4) * 2
    assert found.total == round((found.weights + found.cache + found.workspace) * 1.1)


def test_recorded_passes_take_memory_on_a_gpu_alone_and_no_more_than_their_budget() -> None:
    shape = CATALOGUE["llada-8b"].shape
    on_cpu, small, large = (
        footprint(shape, Load(1, num_tokens, 64), bytes_per_number=2, is_gpu=is_gpu)
        for num_tokens, is_gpu in ((32, False), (32, True), (2048, True))
    )
    assert (on_cpu.graphs, small.graphs, large.graphs) == (0, 8 * 32 * 524_288, 2**28)
    assert small.total == round((sum(on_cpu) + small.graphs) * 1.1)


def test_an_embedding_that_is_the_head_is_held_twice_on_a_cpu_alone() -> None:
    shape = Shape(
        vocab_size=10, hidden_size=4, intermediate_size=8, num_layers=2, num_heads=2, num_kv_heads=1, head_dim=2
    )
    tied = replace(shape, ties_embeddings=True)
    on_cpu, apart, on_gpu = (
        footprint(each, Load(1, 3, 5), bytes_per_number=2, is_gpu=is_gpu).weights
        for each, is_gpu in ((tied, False), (shape, False), (tied, True))
    )
    assert on_cpu == apart == on_gpu + 2 * 10 * 4


def test_fewer_bits_are_for_the_matrices_of_the_layers_alone() -> None:
    shape = CATALOGUE["dream-coder-7b"].shape
    bf16, int8, int4 = (
        footprint(shape, LOAD, bytes_per_number=2, precision=precision) for precision in ("bf16", "int8", "int4")
    )
    embeddings = 2 * shape.vocab_size * shape.hidden_size
    in_layers = num_parameters(shape) - embeddings
    assert bf16 == footprint(shape, LOAD, bytes_per_number=2)
    assert int8.weights == 2 * embeddings + in_layers
    assert int8[1:] == int4[1:] == bf16[1:]
    # Four bits are multiplied in columns of 1024: 3584 are held as 4096, 18944 as 19456.
    padded = 28 * ((3584 + 2 * 512 + 3584 + 2 * 18944) * 4096 + 3584 * 19456)
    assert int4.weights == pytest.approx(2 * embeddings + 0.5625 * padded, abs=1)


@pytest.mark.parametrize("is_adapter", [False, True])
def test_a_guide_is_held_in_as_many_bits_as_its_model(is_adapter: bool) -> None:
    guide = Companion(CATALOGUE["dream-coder-7b"].shape, is_adapter=is_adapter)
    sixteen, eight = (
        with_guide(Footprint(0, 0, 0), guide, LOAD, bytes_per_number=2, precision=precision).guide
        for precision in ("auto", "int8")
    )
    assert eight < sixteen * 0.7


def test_four_bits_take_what_they_are_padded_to_in_every_expert() -> None:
    mixture = MixtureConfig(num_experts=6, num_active_experts=2, expert_size=512, shared_size=512)
    sizes = {"vocab_size": 10, "hidden_size": 1024, "num_heads": 8, "num_kv_heads": 8, "head_dim": 128}
    shape = Shape(**sizes, intermediate_size=8, num_layers=1, mixture=mixture)
    found = footprint(shape, Load(1, 1, 1), bytes_per_number=2, precision="int4", is_gpu=True).weights
    expert = 2 * 512 * 1024 + 1024 * 1024
    assert found == 2 * (2 * 10 * 1024 + 6 * 1024) + 0.5625 * (4 * 1024 * 1024 + 7 * expert)


@pytest.mark.parametrize(("precision", "verdict"), [("bf16", "too large"), ("int8", "fits"), ("int4", "fits")])
def test_a_card_of_12_gb_gets_seven_billion_parameters_in_eight_bits(precision: Precision, verdict: str) -> None:
    found = suggest(12 * GIB, bytes_per_number=2, is_cpu=False, precision=precision)
    assert {each.name: each.verdict for each in found}["dreamon-7b"] == verdict


def test_a_small_gpu_gets_the_small_models_and_a_large_one_all() -> None:
    verdicts = {each.name: each.verdict for each in suggest(8 * GIB, bytes_per_number=2, is_cpu=False)}
    assert verdicts["dreamon-7b"] == "too large"
    assert verdicts["open-dcoder-0.5b"] == "fits"
    assert {each.verdict for each in suggest(80 * GIB, bytes_per_number=2, is_cpu=False)} == {"fits"}


def test_a_cpu_gets_no_large_model_whatever_its_memory() -> None:
    verdicts = {each.name: each.verdict for each in suggest(1000 * GIB, bytes_per_number=4, is_cpu=True)}
    assert verdicts["dreamon-7b"] == "too slow"
    assert verdicts["open-dcoder-0.5b"] == "fits"


def test_recommend_says_what_to_type(checkpoint: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(["models", "add", str(checkpoint), "--name", "mine"])
    capsys.readouterr()
    assert run(["models", "recommend", "--device", "cpu", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    by_name = {each["name"]: each for each in told["models"]}
    assert told["device"] == "cpu"
    assert by_name["mine"]["is_on_disk"]
    assert by_name["dreamon-7b"]["needed"] > 14 * GIB
    assert run(["models", "recommend", "--device", "cpu"]) == 0
    assert "cpu has " in capsys.readouterr().err
