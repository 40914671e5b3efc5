"""Guides as an engine uses them: named, brought along, checking and ranking; and how they are made."""

import json
import shutil
import weakref
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from dlm_model.cache.prefix_cache import PrefixCache
from dlm_model.canvas import Canvas
from dlm_model.decode_options import DecodeOptions
from dlm_model.engine import Engine, load_engine
from dlm_model.errors import CheckpointError, RequestError
from dlm_model.guides.causal_reader import CausalReader
from dlm_model.guides.guide import GUIDE_FOLDER
from dlm_model.guides.own_prompt import OwnPrompt
from dlm_model.network.adapter import add_adapter
from dlm_model.network.config import ModelConfig
from dlm_model.network.loading import load_network
from dlm_model.network.precision import Precision
from dlm_model.network.transformer import Transformer
from dlm_model.request import CancelToken, Draft, InfillRequest
from dlm_model.training.companion import carry_guide, write_companion
from tests.model.tiny_checkpoints import CAUSAL, RESIZING, write_checkpoint

REQUEST = InfillRequest("def foo(self, value):\n    ret", "urn value\n", expected_tokens=12)


def test_an_agreeable_guide_changes_nothing(causal_engine: Engine) -> None:
    # A line that is empty on the right ends by itself, whatever the guide thinks of the suffix.
    request = InfillRequest(REQUEST.prefix, "\nvalue\n", single_line=True, expected_tokens=12)
    alone = DecodeOptions(num_steps=6, schedule="threshold", confidence_threshold=0.2)
    checked = replace(alone, guide="self", guide_role="check", guide_agreement=1e-9)
    alone, guided = (list(causal_engine.infill(request, each, CancelToken()))[-1] for each in (alone, checked))
    assert guided.candidates == alone.candidates


def test_another_checkpoint_guides_and_its_forwards_count(fixed_folder: Path, resizing_engine: Engine) -> None:
    options = DecodeOptions(
        num_steps=8, confidence_threshold=0.05, guide=str(fixed_folder), guide_role="check", guide_agreement=1.0
    )
    last = list(resizing_engine.infill(REQUEST, options, CancelToken()))[-1]
    assert last.num_forwards > last.step


def test_a_guide_is_let_go_before_the_next_is_loaded(
    fixed_folder: Path, causal_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, loaded, alive = load_engine(str(fixed_folder), "cpu"), [], []

    def load(folder: Path, config: ModelConfig, device: torch.device, *, precision: Precision) -> Transformer:
        alive.append(sum(network() is not None for network in loaded))
        network = load_network(folder, config, device, precision=precision)
        loaded.append(weakref.ref(network))
        return network

    monkeypatch.setattr("dlm_model.guides.guide.load_network", load)
    for folder in (fixed_folder, causal_folder):
        list(engine.infill(REQUEST, DecodeOptions(num_steps=2, guide=str(folder)), CancelToken()))
    assert alive == [0, 0]


def test_a_guide_may_be_named_from_the_home_folder(
    fixed_folder: Path, resizing_engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(fixed_folder.parent))
    options = DecodeOptions(num_steps=2, guide=f"~/{fixed_folder.name}")
    assert list(resizing_engine.infill(REQUEST, options, CancelToken()))[-1].finish_reason


def test_what_a_guide_reads_of_a_prefix_is_not_counted(
    fixed_folder: Path, causal_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, calls, forward = load_engine(str(fixed_folder), "cpu"), [], Transformer.forward

    def counted(*args: object, **named: object) -> object:
        calls.append(args)
        return forward(*args, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(Transformer, "forward", counted)
    options = DecodeOptions(num_steps=4, guide=str(causal_folder))
    cold, warm = (list(engine.infill(REQUEST, options, CancelToken()))[-1].num_forwards for _ in range(2))
    assert cold == warm
    assert len(calls) == cold + warm + 1
    engine.forget()
    assert list(engine.infill(REQUEST, options, CancelToken()))[-1].num_forwards == cold
    assert len(calls) == 3 * cold + 2


def causal_checkpoint(folder: Path, **fields: object) -> None:
    """A plain causal model, whose config says this too."""
    write_checkpoint(folder, "llama-gqa-untied")
    config = json.loads((folder / "config.json").read_text())
    del config["dlm"]
    (folder / "config.json").write_text(json.dumps(config | fields))


def test_a_guide_needs_no_word_for_masks(tmp_path: Path, fixed_engine: Engine) -> None:
    causal_checkpoint(tmp_path)
    options = DecodeOptions(num_steps=4, guide=str(tmp_path))
    assert list(fixed_engine.infill(REQUEST, options, CancelToken()))[-1].finish_reason == "stop"


def test_a_guide_reads_a_prompt_as_its_own_texts_begin_and_a_mask_as_their_end(
    tmp_path: Path, fixed_engine: Engine
) -> None:
    causal_checkpoint(tmp_path, bos_token_id=70, eos_token_id=[71, 72])
    reader = fixed_engine.decoder.guides.open(str(tmp_path), "")
    bos, mask = fixed_engine.network.config.bos_token_id, fixed_engine.network.config.mask_token_id
    draft, asked = torch.tensor([[60, mask, 62]]), torch.tensor([[False, False, True]])
    found = reader.logits(torch.tensor([bos, 40, 41]), draft, asked)
    text = torch.tensor([[70, 40, 41, 60, 71]])
    with torch.inference_mode():
        hidden = reader.network(text, torch.arange(5)[None], may_attend=torch.ones(1, 5, 5, dtype=torch.bool).tril())
        wanted = reader.network.logits(hidden[0, -1])
    is_text = found[0].isfinite()
    torch.testing.assert_close(found[0][is_text].float(), wanted[is_text].float(), atol=0.1, rtol=0.05)


def test_what_ends_a_guides_texts_has_to_be_a_token(tmp_path: Path, fixed_engine: Engine) -> None:
    causal_checkpoint(tmp_path, eos_token_id="<end>")
    with pytest.raises(CheckpointError, match="eos_token_id is '<end>'"):
        fixed_engine.decoder.guides.open(str(tmp_path), "")


def test_a_guide_that_cannot_be_used_leaves_the_one_that_can_where_it_is(
    tmp_path: Path, causal_folder: Path, fixed_engine: Engine
) -> None:
    guides = fixed_engine.decoder.guides
    usable = guides.open(str(causal_folder), "").network
    write_checkpoint(tmp_path, "llama-gqa-untied", RESIZING)
    _exchange_spellings(tmp_path)
    for folder in ("nowhere", str(tmp_path)):
        with pytest.raises(CheckpointError):
            guides.open(folder, "")
        assert guides.open(str(causal_folder), "").network is usable


def _exchange_spellings(folder: Path) -> None:
    """Give a checkpoint another tokenizer."""
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    vocab = tokenizer["model"]["vocab"]
    vocab["!"], vocab["#"] = vocab["#"], vocab["!"]
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))


def test_a_guide_with_another_tokenizer_is_refused(tmp_path: Path, fixed_engine: Engine) -> None:
    write_checkpoint(tmp_path, "llama-gqa-untied", RESIZING)
    _exchange_spellings(tmp_path)
    with pytest.raises(CheckpointError, match="does not have the tokenizer of the model"):
        list(fixed_engine.infill(REQUEST, DecodeOptions(guide=str(tmp_path)), CancelToken()))


def test_a_guide_that_is_not_there_is_named(fixed_engine: Engine) -> None:
    with pytest.raises(CheckpointError, match="There is no model folder nowhere"):
        list(fixed_engine.infill(REQUEST, DecodeOptions(guide="nowhere"), CancelToken()))


def test_only_a_causal_prompt_guides_itself(fixed_engine: Engine) -> None:
    with pytest.raises(RequestError, match="has no causal prompt and cannot guide itself"):
        list(fixed_engine.infill(REQUEST, DecodeOptions(guide="self"), CancelToken()))


@pytest.mark.parametrize("best", [0, 1, 2])
def test_of_several_candidates_the_one_that_the_guide_finds_likeliest_comes_first(
    causal_engine: Engine, monkeypatch: pytest.MonkeyPatch, best: int
) -> None:
    found: list[Canvas] = []

    def likelihoods(_reader: CausalReader, canvas: Canvas) -> Tensor:
        found.append(canvas)
        return torch.full((len(canvas.lengths),), -9.0).index_fill(0, torch.tensor([best]), -1.0)

    monkeypatch.setattr(CausalReader, "log_likelihoods", likelihoods)
    options = DecodeOptions(num_steps=6, num_candidates=3, temperature=1.0, guide="self")
    last = list(causal_engine.infill(REQUEST, options, CancelToken()))[-1]
    (canvas,) = found
    spelled = causal_engine.tokenizer.token_bytes
    row_text = b"".join(spelled[token_id] for token_id in canvas.token_ids[best, : canvas.lengths[best]].tolist())
    assert last.candidates[0].text
    assert last.candidates[0].text in row_text.decode(errors="replace")
    assert last.text == last.candidates[0].text


def test_a_checkpoint_brings_its_guide_and_uses_it_by_default(
    causal_folder: Path, fixed_folder: Path, tmp_path: Path
) -> None:
    shutil.copytree(causal_folder, tmp_path / "model")
    shutil.copytree(fixed_folder, tmp_path / "model" / GUIDE_FOLDER)
    engine = load_engine(str(tmp_path / "model"), "cpu")

    def fill(guide: str | None) -> Draft:
        return list(engine.infill(REQUEST, DecodeOptions(num_steps=6, guide=guide), CancelToken()))[-1]

    assert fill(None).num_forwards > fill(None).step
    assert fill("none").num_forwards == fill("none").step
    assert fill(None).candidates == fill("self").candidates == fill(str(fixed_folder)).candidates


def test_a_guide_that_is_an_adapter_is_the_model_with_the_adapter_added(causal_folder: Path, tmp_path: Path) -> None:
    shutil.copytree(causal_folder, tmp_path / "model")
    write_checkpoint(tmp_path / "before", "llama-gqa-untied", CAUSAL)
    tensors = load_file(tmp_path / "before" / "model.safetensors")
    torch.manual_seed(1)
    for name, tensor in tensors.items():
        if "embed" not in name and "lm_head" not in name:
            # A difference of rank 2, which an adapter of that rank can take back.
            low = (
                torch.randn(len(tensor), 2) @ torch.randn(2, tensor.shape[-1])
                if tensor.dim() == 2
                else torch.randn(len(tensor))
            )
            tensors[name] = tensor + 0.05 * low
    save_file(tensors, tmp_path / "before" / "model.safetensors")
    assert write_companion(tmp_path / "before", tmp_path / "model", rank=2) < 1e-4
    engine, causal = load_engine(str(tmp_path / "model"), "cpu"), load_engine(str(tmp_path / "before"), "cpu")
    text, asked = torch.tensor([[40, 41, 42, 43]]), torch.ones(1, 4, dtype=torch.bool)
    found = engine.decoder.guides.open("self", "").logits(torch.tensor([0]), text, asked)
    prompt = OwnPrompt(causal.network.config, causal.network.config.bos_token_id, causal.tokenizer.token_bytes)
    reader = CausalReader(causal.network, PrefixCache(causal.network), (), prompt, document="")
    wanted = reader.logits(torch.tensor([0]), text, asked)
    is_text = found.isfinite()
    torch.testing.assert_close(found[is_text].float(), wanted[is_text].float(), atol=0.1, rtol=0.05)
    assert (~is_text[0]).sum() == 3


def test_what_was_trained_further_keeps_the_guide_that_it_had(causal_folder: Path, tmp_path: Path) -> None:
    start, trained = tmp_path / "start", tmp_path / "trained"
    shutil.copytree(causal_folder, start)
    shutil.copytree(causal_folder, trained)
    causal = load_file(start / "model.safetensors")
    causal["model.norm.weight"] += 1
    shutil.copytree(start, tmp_path / "causal")
    save_file(causal, tmp_path / "causal" / "model.safetensors")
    write_companion(tmp_path / "causal", start, rank=2)
    further = load_file(trained / "model.safetensors")
    further["model.norm.weight"] *= 3
    save_file(further, trained / "model.safetensors")
    carry_guide(start, trained)
    kept = add_adapter(trained / GUIDE_FOLDER, further)
    torch.testing.assert_close(kept["model.norm.weight"], causal["model.norm.weight"], atol=0.02, rtol=0.01)

    shutil.rmtree(start / GUIDE_FOLDER)
    shutil.rmtree(trained / GUIDE_FOLDER)
    shutil.copytree(tmp_path / "causal", start / GUIDE_FOLDER)
    carry_guide(start, trained)
    assert (trained / GUIDE_FOLDER / "model.safetensors").is_file()
