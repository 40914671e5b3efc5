"""Prompts that see only themselves, kept between steps and requests: exact, and computed once."""

from pathlib import Path
from weakref import ref

import pytest
import torch
from torch import Tensor

from dlm_model.cache.causal_prompt import CausalPrompt
from dlm_model.cache.prefix_cache import PrefixCache
from dlm_model.canvas import Canvas
from dlm_model.decode_options import DecodeOptions
from dlm_model.engine import load_engine
from dlm_model.network.transformer import Transformer
from dlm_model.request import CancelToken, InfillRequest
from tests.model.half_filled import PREFIX, SUFFIX, some_canvas
from tests.model.tiny_checkpoints import DLM_SECTION

REQUEST = InfillRequest("def foo(self, value):\n    for it", "ms:\n        return value\n" * 4)


class WholeCausal:
    """The specification of a causal prompt: one pass over everything at every step, its mask written out by pairs."""

    def __init__(self, network: Transformer) -> None:
        self._network = network
        self.num_forwards = 0

    def __call__(self, canvas: Canvas) -> Tensor:
        self.num_forwards += 1
        return torch.cat([self._row(canvas, row) for row in range(len(canvas.lengths))])

    def _row(self, canvas: Canvas, row: int) -> Tensor:
        prefix, suffix = canvas.prefix_ids.tolist(), canvas.suffix_ids.tolist()
        length = int(canvas.lengths[row])
        middle = [prefix[-1], *canvas.token_ids[row, :length].tolist()]
        kinds = ["prefix"] * len(prefix) + ["middle"] * len(middle) + ["suffix"] * len(suffix)
        positions = [*range(len(prefix)), *range(len(prefix) - 1, len(prefix) + length + len(suffix))]
        sees = [
            [kind == "middle" or (kind == other and key <= query) for key, other in enumerate(kinds)]
            for query, kind in enumerate(kinds)
        ]
        with torch.inference_mode():
            hidden = self._network(
                torch.tensor([prefix + middle + suffix]), torch.tensor([positions]), may_attend=torch.tensor([sees])
            )
            predicting = hidden[0, len(prefix) : len(prefix) + length]
            return self._network.logits(predicting[canvas.is_masked[row, :length]])


@pytest.mark.parametrize("lengths", [(9,), (9, 9), (4, 9, 6)], ids=["one", "equal", "ragged"])
def test_a_causal_prompt_is_exact_in_every_step(causal_network: Transformer, lengths: tuple[int, ...]) -> None:
    predictor = CausalPrompt(causal_network, PrefixCache(causal_network), "")
    for canvas in (some_canvas(*lengths), some_canvas(*(length + 2 for length in lengths))):
        torch.testing.assert_close(predictor(canvas), WholeCausal(causal_network)(canvas), atol=1e-4, rtol=1e-3)
        predictor.check_integrity(canvas)


def test_a_causal_prompt_without_a_suffix_is_exact(causal_network: Transformer) -> None:
    canvas = Canvas.open(PREFIX, [], [5], int(DLM_SECTION["mask_token_id"]))
    predictor = CausalPrompt(causal_network, PrefixCache(causal_network), "")
    torch.testing.assert_close(predictor(canvas), WholeCausal(causal_network)(canvas), atol=1e-4, rtol=1e-3)


def test_a_keystroke_costs_one_forward_over_its_own_tokens(causal_network: Transformer) -> None:
    prefix_cache = PrefixCache(causal_network)
    mask = int(DLM_SECTION["mask_token_id"])
    forwards = []
    for prefix in (PREFIX, PREFIX, [*PREFIX, 61], PREFIX):
        predictor = CausalPrompt(causal_network, prefix_cache, "")
        predictor(Canvas.open(prefix, SUFFIX, [5], mask))
        predictor(Canvas.open(prefix, SUFFIX, [5], mask))
        forwards.append(predictor.num_forwards)
    assert forwards == [4, 2, 3, 2]
    assert prefix_cache.num_computed == len(PREFIX) + len(SUFFIX) + 1


def test_an_engine_of_a_causal_prompt_fills_the_same_warm_and_cold(causal_folder: Path) -> None:
    engine, options = load_engine(str(causal_folder), "cpu"), DecodeOptions(num_steps=12)
    cold, warm = (list(engine.infill(REQUEST, options, CancelToken())) for _ in range(2))
    assert [draft.text for draft in cold] == [draft.text for draft in warm]
    assert cold[-1].num_forwards == warm[-1].num_forwards + 2
    engine.forget()
    assert list(engine.infill(REQUEST, options, CancelToken()))[-1].num_forwards == cold[-1].num_forwards


def test_an_engine_forgets_one_document_and_its_guides_prompt_and_no_other(causal_folder: Path) -> None:
    engine, options = load_engine(str(causal_folder), "cpu"), DecodeOptions(num_steps=3, guide=str(causal_folder))
    requests = {name: InfillRequest(f"# {name}\n{REQUEST.prefix}", f"ms:\n# {name}\n", document=name) for name in "ab"}

    def fill(name: str) -> int:
        return list(engine.infill(requests[name], options, CancelToken()))[-1].num_forwards

    cold = fill("a"), fill("b")
    stores = engine.decoder.prefix_cache, engine.decoder.guides._named[str(causal_folder)][1]
    held = [store.num_stored for store in stores]
    engine.forget("a")
    assert all(0 < store.num_stored < before for store, before in zip(stores, held, strict=True))
    assert (fill("b"), fill("a")) == (cold[1] - 2, cold[0])


def test_what_is_read_after_another_document_still_is_of_its_own(causal_folder: Path) -> None:
    engine, options = load_engine(str(causal_folder), "cpu"), DecodeOptions(num_steps=3, guide=str(causal_folder))
    first, second = (InfillRequest(f"# {name}\n{REQUEST.prefix}", "", document=name) for name in "ab")
    fill = engine.infill(first, options, CancelToken())
    next(fill)
    list(engine.infill(second, options, CancelToken()))
    list(fill)
    store = engine.decoder.guides._named[str(causal_folder)][1]
    held = store.num_stored
    engine.forget("a")
    assert 0 < store.num_stored < held
    engine.forget("b")
    assert store.num_stored == 0


def test_a_closed_engine_holds_neither_weights_nor_prompts(causal_folder: Path) -> None:
    engine = load_engine(str(causal_folder), "cpu")
    list(engine.infill(REQUEST, DecodeOptions(num_steps=2), CancelToken()))
    held = ref(engine.network.embed_tokens.weight), ref(engine.decoder.prefix_cache)
    engine.close()
    assert [each() for each in held] == [None, None]
    engine.close()
    with pytest.raises(RuntimeError, match="closed"):
        next(engine.infill(REQUEST, DecodeOptions(), CancelToken()))
