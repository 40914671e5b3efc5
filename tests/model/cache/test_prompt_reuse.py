"""Prompts kept across keystrokes: exact where nothing can have drifted, and anew where too much has."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from dlm_model.cache import prompt_store
from dlm_model.cache.policies import ColumnCache, column_choice
from dlm_model.cache.prompt_reuse import PromptReuse
from dlm_model.cache.prompt_store import KeptPrompt, PromptStore
from dlm_model.canvas import Canvas
from dlm_model.decode_options import DecodeOptions
from dlm_model.engine import Engine
from dlm_model.network.kv_cache import KVCache, LayerKV
from dlm_model.network.transformer import Transformer
from dlm_model.request import InfillRequest
from tests.model.tiny_checkpoints import DLM_SECTION, load_network
from tests.model.tiny_fills import drafts

VICINITY = 3
LENGTHS = (9, 12)
KEPT = DecodeOptions(prompt_refresh_interval=0, vicinity=VICINITY, drift_bound=1e9)
PREFIX, SUFFIX = list(range(20, 60)), list(range(70, 110))


@pytest.fixture(params=["fixed_folder", "resizing_folder"], ids=["unshifted", "shifted"])
def network(request: pytest.FixtureRequest) -> Transformer:
    folder: Path = request.getfixturevalue(request.param)
    return load_network(folder)


def shallow(network: Transformer) -> Transformer:
    """Its first layer alone: there, nothing that is kept can be wrong but its place."""
    first = Transformer(replace(network.config, num_layers=1))
    first.embed_tokens, first.norm, first.lm_head = network.embed_tokens, network.norm, network.lm_head
    first.layers = network.layers[:1]
    return first.eval()


def reuse(network: Transformer, store: PromptStore, options: DecodeOptions, document: str = "") -> PromptReuse:
    assert options.drift_bound is not None
    return PromptReuse(network, store, document, drift_bound=options.drift_bound, vicinity=options.vicinity)


class Typist:
    """Asks for one hole after the other in the documents of a store."""

    def __init__(self, network: Transformer, options: DecodeOptions = KEPT) -> None:
        self.store, self.document = PromptStore(), ""
        self._network, self._options = network, options
        self.num_forwards = 0

    @property
    def kept(self) -> KeptPrompt:
        """The document's last prompt."""
        found = self.store.find(self.document)
        assert found is not None
        return found

    def logits(self, prefix: list[int], suffix: list[int], lengths: tuple[int, ...] = LENGTHS) -> Tensor:
        """Of the first step."""
        return self._step(prefix, suffix, lengths, reuse(self._network, self.store, self._options, self.document))

    def cold(self, prefix: list[int], suffix: list[int], lengths: tuple[int, ...] = LENGTHS) -> Tensor:
        """The same, of a policy that keeps nothing."""
        return self._step(prefix, suffix, lengths, None)

    def cost(self, prefix: list[int], suffix: list[int], lengths: tuple[int, ...] = LENGTHS) -> float:
        """Prompt tokens that a request computes."""
        before = self.store.num_computed
        self.logits(prefix, suffix, lengths)
        return self.store.num_computed - before - max(lengths)

    def _step(
        self, prefix: list[int], suffix: list[int], lengths: tuple[int, ...], begin: PromptReuse | None
    ) -> Tensor:
        policy = ColumnCache(self._network, self._options, column_choice(self._options), begin)
        logits = policy(Canvas.open(prefix, suffix, lengths, int(DLM_SECTION["mask_token_id"])))
        policy.check_integrity()
        self.store.check_integrity()
        self.num_forwards = policy.num_forwards
        return logits


def same(logits: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(logits, expected, atol=1e-4, rtol=1e-3)


def test_an_unchanged_prompt_is_read_exactly_and_costs_its_vicinity_alone(network: Transformer) -> None:
    typist = Typist(network)
    cold = typist.cold(PREFIX, SUFFIX)
    assert typist.cost(PREFIX, SUFFIX) == len(PREFIX) + len(SUFFIX)
    assert typist.cost(PREFIX, SUFFIX) == 2 * VICINITY
    same(typist.logits(PREFIX, SUFFIX), cold)
    assert typist.num_forwards == 1


def test_an_edit_costs_what_changed_and_its_vicinity(network: Transformer) -> None:
    typist, around = Typist(network), 2 * VICINITY
    typist.logits(PREFIX, SUFFIX)
    typed = [*PREFIX, 5]
    assert typist.cost(typed, SUFFIX) == around + 1, "the canvas stands behind the new token"
    edited = [*typed[:20], 6, 6, *typed[21:]]
    assert typist.cost(edited, SUFFIX) == around + around + 2
    erased = [*edited[:20], *edited[22:]]
    assert typist.cost(erased, SUFFIX) == around + around
    moved = erased[:25], [*erased[25:], *SUFFIX]
    assert typist.cost(*moved) == around + around, "where the canvas stands, and where it stood"
    assert typist.cost(*moved) == around


def test_a_large_edit_costs_the_whole_prompt(network: Transformer) -> None:
    typist = Typist(network)
    typist.logits(PREFIX, SUFFIX)
    other = [200 + token for token in range(30)]
    same(typist.logits(PREFIX[:10] + other, SUFFIX), typist.cold(PREFIX[:10] + other, SUFFIX))
    assert typist.cost(PREFIX, SUFFIX) == len(PREFIX) + len(SUFFIX)


EDITS = st.lists(
    st.tuples(st.integers(0, 80), st.integers(0, 12), st.lists(st.integers(1, 250), max_size=12), st.integers(1, 80)),
    min_size=1,
    max_size=5,
)


@settings(max_examples=15, deadline=None)
@given(EDITS)
def test_where_nothing_can_drift_any_history_of_edits_reads_as_if_there_were_none(
    causal_network: Transformer, edits: list[tuple[int, int, list[int], int]]
) -> None:
    """In a single layer, an entry is its token's alone: what is read at its new place is what would be computed."""
    typist = Typist(shallow(causal_network))
    text, cursor = PREFIX + SUFFIX, len(PREFIX)
    typist.logits(text[:cursor], text[cursor:])
    for start, num_erased, typed, cursor in edits:
        text = [*text[:start], *typed, *text[start + num_erased :]]
        logits = typist.logits(text[:cursor], text[cursor:])
        same(logits, typist.cold(text[:cursor], text[cursor:]))


def test_what_moved_is_what_would_be_computed_in_the_first_layer(network: Transformer) -> None:
    typist, fresh = Typist(network), Typist(network)
    typist.logits(PREFIX, SUFFIX)
    now = [5, 6, *PREFIX[:20], *PREFIX[24:]], SUFFIX[3:]
    typist.logits(*now)
    fresh.logits(*now)
    moved, computed = typist.kept.cache.layers[0], fresh.kept.cache.layers[0]
    torch.testing.assert_close(moved.keys, computed.keys, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(moved.values, computed.values, atol=1e-5, rtol=1e-5)


def test_beyond_the_bound_everything_is_computed_anew(network: Transformer) -> None:
    typist = Typist(network, replace(KEPT, drift_bound=0.0))
    typist.logits(PREFIX, SUFFIX)
    typed = [*PREFIX, 5]
    logits = typist.logits(typed, SUFFIX)
    assert typist.num_forwards == 2
    same(logits, typist.cold(typed, SUFFIX))
    assert typist.kept.drift.tolist() == [0, 0, 0]


def test_deep_layers_that_drifted_are_computed_anew_from_shallow_ones_that_did_not(network: Transformer) -> None:
    typist = Typist(network, replace(KEPT, drift_bound=0.5))
    typist.logits(PREFIX, SUFFIX)
    *shallow, deepest = typist.kept.cache.layers
    streams = typist.kept.streams
    wrong = typist.kept._replace(
        cache=KVCache((*shallow, LayerKV(deepest.keys, -deepest.values))),
        streams=streams | {2: -streams[2]},
        drift=torch.tensor([0.0, 0.2, 0.0]),
    )
    typist.store.keep(wrong, typist.document)
    cost = typist.cost(PREFIX, SUFFIX)
    assert typist.num_forwards == 2
    num_columns = len(PREFIX) + len(SUFFIX) + max(LENGTHS)
    assert cost == pytest.approx(2 * VICINITY + 2 / 3 * num_columns), "two layers of three"
    same(typist.kept.cache.layers[2].values, deepest.values)
    same(typist.kept.streams[2], streams[2])
    assert typist.kept.drift.tolist() == pytest.approx([0, 0.2, 0.2], abs=1e-4), "as what it is computed from"
    same(typist.logits(PREFIX, SUFFIX), typist.cold(PREFIX, SUFFIX))


def test_drift_adds_up_until_it_passes_the_bound(network: Transformer) -> None:
    typist = Typist(network)
    typist.logits(PREFIX, SUFFIX)
    drifts = []
    for number in range(1, 4):
        typist.logits(PREFIX + [5] * number, SUFFIX)
        drifts.append(float(typist.kept.drift[-1]))
    assert drifts == sorted(set(drifts))


def test_as_many_candidates_see_what_they_saw_and_others_what_the_first_did(network: Transformer) -> None:
    typist = Typist(network)
    typist.logits(PREFIX, SUFFIX, (9,))
    same(typist.logits(PREFIX, SUFFIX, (9, 9, 9)), typist.cold(PREFIX, SUFFIX, (9, 9, 9)))
    same(typist.logits(PREFIX, SUFFIX, (9,)), typist.cold(PREFIX, SUFFIX, (9,)))


@pytest.mark.parametrize(("prefix", "suffix"), [([], SUFFIX), (PREFIX, []), (PREFIX[:2], SUFFIX[:2])])
def test_any_prompt_can_be_kept(prefix: list[int], suffix: list[int], fixed_folder: Path) -> None:
    typist = Typist(load_network(fixed_folder))
    for _ in range(2):
        same(typist.logits(prefix, suffix), typist.cold(prefix, suffix))


def test_the_tokens_beside_the_hole_are_always_computed(network: Transformer) -> None:
    typist = Typist(network, replace(KEPT, vicinity=0))
    cold = typist.cold(PREFIX, SUFFIX)
    typist.logits(PREFIX, SUFFIX)
    same(typist.logits(PREFIX, SUFFIX), cold)
    assert typist.cost(PREFIX, SUFFIX) == 2


def test_nothing_is_kept_of_no_prompt(fixed_folder: Path) -> None:
    typist = Typist(load_network(fixed_folder))
    typist.logits([], [])
    assert typist.store.num_stored == 0


def test_the_least_recently_used_document_gives_way(network: Transformer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prompt_store, "MAX_STORED_TOKENS", 2 * 2 * 80)
    typist = Typist(network)
    costs = {}
    for document in ("a", "b", "a", "c", "a", "b"):
        typist.document = document
        costs[document] = typist.cost(PREFIX, SUFFIX)
    assert costs == {"a": 2 * VICINITY, "b": 80, "c": 80}
    assert typist.store.num_stored == 2 * 2 * 80


def test_a_first_step_that_begins_warm_is_no_prefill(fixed_folder: Path) -> None:
    network, store = load_network(fixed_folder), PromptStore()
    options = replace(KEPT, prompt_refresh_interval=2)
    canvas = Canvas.open(PREFIX, SUFFIX, LENGTHS, int(DLM_SECTION["mask_token_id"]))
    expected = []
    for _ in range(2):
        policy = ColumnCache(network, options, column_choice(options), reuse(network, store, options))
        expected.append([policy.is_prefill(num_ahead) for num_ahead in range(4)])
        policy(canvas)
        assert [policy.is_prefill(num_ahead) for num_ahead in range(3)] == [False, True, False]
    assert expected == [[True, False, True, False], [False, False, True, False]]


REQUEST = InfillRequest(
    "def foo(self, value):\n    for it", "ms:\n        return value\n" * 4, document="a", expected_tokens=9
)
ASK = dict[str, object](num_steps=6, schedule="linear", num_candidates=2, drift_bound=0.5, vicinity=2)


def texts(engine: Engine, **options: object) -> list[tuple[str, ...]]:
    return [draft.pieces for draft in drafts(engine, REQUEST, **(ASK | options))]  # type: ignore[misc]


@pytest.mark.parametrize("engine_name", ["fixed_engine", "resizing_engine"])
def test_an_engine_fills_an_unchanged_hole_as_before_for_less(request: pytest.FixtureRequest, engine_name: str) -> None:
    engine: Engine = request.getfixturevalue(engine_name)
    engine.forget()
    store = engine.decoder.prompt_store
    cold = texts(engine, drift_bound=None)
    assert store.num_stored == 0
    counts = [store.num_computed]
    for _ in range(2):
        assert texts(engine) == cold
        counts.append(store.num_computed)
    first, second = counts[1] - counts[0], counts[2] - counts[1]
    assert second < first / 2
    engine.forget("b")
    assert store.num_stored > 0
    engine.forget("a")
    assert store.num_stored == 0


@pytest.mark.parametrize(
    "options",
    [{"prompt_refresh_interval": 1}, {"cache_policy": "similarity"}, {"suffix_guidance": 1.5}, {"drift_bound": None}],
    ids=["exact", "similarity", "guidance", "off"],
)
def test_what_cannot_begin_so_keeps_nothing(fixed_engine: Engine, options: dict[str, object]) -> None:
    fixed_engine.forget()
    texts(fixed_engine, **options)
    assert fixed_engine.decoder.prompt_store.num_stored == 0


@pytest.mark.parametrize("policy", ["search", "probe"])
def test_looking_for_a_length_leaves_nothing_behind(fixed_engine: Engine, policy: str) -> None:
    fixed_engine.forget()
    store = fixed_engine.decoder.prompt_store
    texts(fixed_engine, length_policy=policy)
    before, cold = store.num_computed, texts(fixed_engine, length_policy=policy, drift_bound=None)
    assert store.num_computed == before
    assert texts(fixed_engine, length_policy=policy) == cold
