"""Passes padded to buckets and replayed, against the network itself."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import MagicMock

import pytest
import torch
from torch import Tensor

from dlm_model.decode_options import DecodeOptions
from dlm_model.engine import Engine
from dlm_model.guides.causal_reader import CausalReader
from dlm_model.network import cuda_graphs, experts
from dlm_model.network.config import ModelConfig
from dlm_model.network.cuda_graphs import MEMORY_BUCKET, CudaCapture, GraphedTransformer
from dlm_model.network.transformer import Memory, Recorder, Transformer
from dlm_model.request import CancelToken, InfillRequest
from dlm_model.tokens.tokenizer import Tokenizer
from tests.model.families.published_checkpoints import PUBLISHED
from tests.model.pretended_cuda import Captures
from tests.model.tiny_checkpoints import load_network

REQUEST = InfillRequest("def foo(self, value):\n    for it", "ms:\n        return value\n" * 4)


def texts(engine: Engine, options: DecodeOptions) -> list[str]:
    return [draft.text for draft in engine.infill(REQUEST, options, CancelToken())]


@pytest.fixture(params=["fixed_folder", "resizing_folder", "causal_folder"])
def engine(request: pytest.FixtureRequest) -> Engine:
    """In fp32, where a sum over padding rounds to the same."""
    folder: Path = request.getfixturevalue(request.param)
    config = ModelConfig.from_checkpoint(folder)
    network = load_network(folder)
    return Engine(network, Tokenizer.from_checkpoint(folder, config.vocab_size), "eager")


@pytest.mark.parametrize("num_candidates", [1, 3])
def test_padding_and_replaying_change_no_draft(engine: Engine, num_candidates: int) -> None:
    captures = Captures()
    graphed = Engine(GraphedTransformer(engine.network, captures), engine.tokenizer, "graphed")
    options = DecodeOptions(num_steps=12, prompt_refresh_interval=4, num_candidates=num_candidates)
    assert texts(graphed, options) == texts(engine, options)
    assert captures.num_replays > captures.num_captures > 0
    num_captures = captures.num_captures
    assert texts(graphed, options) == texts(engine, options)
    assert captures.num_captures == num_captures, "known shapes are not recorded again"


@pytest.mark.parametrize("num_candidates", [1, 3])
@pytest.mark.parametrize("kind", ["causal", "block"])
def test_passes_in_which_not_all_see_the_same_are_recorded_too(
    kind: str, num_candidates: int, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Passes of a guide, which reads drafts whole on a GPU, and of a model that writes block by block."""
    monkeypatch.setattr(CausalReader, "reading_of_drafts", lambda _: None)
    folder: Path = request.getfixturevalue(f"{kind}_folder")
    config = ModelConfig.from_checkpoint(folder)
    network = load_network(folder)
    tokenizer = Tokenizer.from_checkpoint(folder, config.vocab_size)
    graphed = GraphedTransformer(network, Captures())
    options = DecodeOptions(num_steps=6, num_candidates=num_candidates, guide="self" if kind == "causal" else None)
    eager = texts(Engine(network, tokenizer, "eager"), options)
    assert texts(Engine(graphed, tokenizer, "graphed"), options) == eager
    assert any(shape.is_per_query for shape in graphed._graphs)


def test_whatever_a_network_has_its_recorded_one_has_too(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine.network, "added_some_day", object(), raising=False)
    graphed = GraphedTransformer(engine.network, Captures())
    assert graphed.added_some_day is engine.network.added_some_day
    assert dict(graphed.named_children()) == dict(engine.network.named_children())


def test_the_number_of_graphs_is_bounded(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cuda_graphs, "MAX_GRAPHS", 2)
    graphed = GraphedTransformer(engine.network, Captures())
    for length in (8, 40, 80, 120):
        texts(Engine(graphed, engine.tokenizer, "graphed"), DecodeOptions(num_steps=3, middle_length=length))
    assert len(graphed._graphs) == 2


def test_what_graphs_hold_is_bounded_in_bytes(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    config = engine.network.config
    of_one = MEMORY_BUCKET * 2 * config.num_layers * config.num_kv_heads * config.head_dim * 4
    monkeypatch.setattr(cuda_graphs, "MAX_GRAPH_BYTES", 2 * of_one + of_one // 2)
    captures = Captures()
    graphed = GraphedTransformer(engine.network, captures)
    held = []
    for num_rows, length in ((1, 8), (1, 40), (2, 8), (3, 8), (1, 8)):
        options = DecodeOptions(num_steps=3, middle_length=length, num_candidates=num_rows)
        assert texts(Engine(graphed, engine.tokenizer, "graphed"), options) == texts(engine, options)
        held.append([shape.num_rows for shape in graphed._graphs])
    # Graphs of two lengths share one prompt; one of three rows would not fit even alone.
    assert held == [[1], [1, 1], [2], [2], [1]]
    assert captures.num_captures == 4


@pytest.mark.parametrize("num_failures", [1, 2])
def test_without_memory_for_a_graph_the_others_give_way_and_then_it_does(engine: Engine, num_failures: int) -> None:
    captures = Captures()

    def capture(work: Callable[[], Tensor]) -> tuple[Tensor, Callable[[], None]]:
        if 1 <= captures.num_captures <= num_failures:
            captures.num_captures += 1
            raise torch.OutOfMemoryError
        return captures(work)

    graphed = GraphedTransformer(engine.network, capture)
    for length in (8, 40, 40, 8):
        options = DecodeOptions(num_steps=3, middle_length=length)
        assert texts(Engine(graphed, engine.tokenizer, "graphed"), options) == texts(engine, options)
    assert captures.num_captures == (4 if num_failures == 1 else 3)
    assert len(graphed._graphs) == (2 if num_failures == 1 else 0)


@pytest.mark.parametrize(
    ("way", "recorded"), [("one by one", [False, False]), ("by everybody", [True, False]), ("grouped", [True, True])]
)
def test_a_mixture_is_recorded_if_its_experts_are_not_counted_on_the_cpu(
    tmp_path: Path, way: str, recorded: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(experts, "MAX_FOR_EVERYBODY", 64)
    PUBLISHED["llada-moe"](tmp_path)
    config = ModelConfig.from_checkpoint(tmp_path)
    tokenizer = Tokenizer.from_checkpoint(tmp_path, config.vocab_size)
    plain, network = (load_network(tmp_path) for _ in range(2))
    for layer in network.layers:
        if way != "one by one":
            layer.mlp.stack(is_grouped=way == "grouped")
    found = []
    for length in (8, 80):
        captures, options = Captures(), DecodeOptions(num_steps=4, middle_length=length)
        graphed = Engine(GraphedTransformer(network, captures), tokenizer, "graphed")
        assert texts(graphed, options) == texts(Engine(plain, tokenizer, "eager"), options)
        found.append(captures.num_captures > 0)
    assert found == recorded


class EmptyGraph:
    """Holds nothing."""

    def pool(self) -> int:
        return id(self)

    def replay(self) -> None:
        """Do nothing."""


class AbsentCuda:
    """The calls of `torch.cuda` that a recording makes, written down.

    Attributes:
        streams: The streams that the thread was on; the last is its current one.
        recordings: Stream, pool and mode of each recording.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, fails: bool = False) -> None:
        self.streams = [MagicMock(name="own")]
        self.opened: list[torch.device] = []
        self.recordings: list[tuple[object, object, str]] = []
        self._fails = fails
        names = {"Stream": self.open, "CUDAGraph": EmptyGraph, "stream": MagicMock(), "device": MagicMock()}
        names |= {"current_stream": lambda _: self.streams[-1], "set_stream": self.streams.append, "graph": self.graph}
        for name, fake in names.items():
            monkeypatch.setattr(torch.cuda, name, fake)
        monkeypatch.setattr(cuda_graphs, "_captures", CudaCapture)

    def open(self, device: torch.device) -> MagicMock:
        self.opened.append(device)
        return MagicMock(device=device)

    @contextmanager
    def graph(self, _graph: object, *, pool: object, stream: MagicMock, capture_error_mode: str) -> Iterator[None]:
        self.recordings.append((stream, pool, capture_error_mode))
        self.streams.append(stream)
        yield
        if self._fails:  # in its place, the stream would have been put back
            raise RuntimeError("the recording has become invalid")


def test_a_recording_that_fails_leaves_the_stream_as_it_was(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    cuda = AbsentCuda(monkeypatch, fails=True)
    texts(Engine(GraphedTransformer(engine.network), engine.tokenizer, "graphed"), DecodeOptions(num_steps=3))
    assert len(cuda.streams) == 3
    assert cuda.streams[-1] is cuda.streams[0]


def test_recordings_share_the_stream_of_their_device_and_the_memory_of_those_alive(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cuda = AbsentCuda(monkeypatch)
    device = torch.device("cuda", 1)  # not the current one
    capture = CudaCapture(device)
    graphs = [capture(lambda: torch.zeros(1))[1] for _ in range(2)]
    assert cuda.opened == [device]
    assert [stream.device for stream, _, _ in cuda.recordings] == [device, device]
    assert [pool for _, pool, _ in cuda.recordings] == [None, id(graphs[0].__self__)]
    assert {mode for _, _, mode in cuda.recordings} == {"thread_local"}
    graphs.clear()
    capture(lambda: torch.zeros(1))
    assert cuda.recordings[-1][1] is None


def test_what_cannot_be_recorded_runs_as_ever(engine: Engine, caplog: pytest.LogCaptureFixture) -> None:
    def fail(_work: Callable[[], Tensor]) -> tuple[Tensor, Callable[[], None]]:
        raise RuntimeError("operation not permitted when stream is capturing")

    graphed = Engine(GraphedTransformer(engine.network, fail), engine.tokenizer, "graphed")
    options = DecodeOptions(num_steps=12)
    assert texts(graphed, options) == texts(engine, options)
    assert [record.levelname for record in caplog.records] == ["WARNING"]


class Beside(GraphedTransformer):
    """Compares every pass with the same pass as the network itself runs it, and returns the latter."""

    def forward(
        self,
        token_ids: Tensor,
        position_ids: Tensor,
        may_attend: Tensor | None = None,
        memory: Memory | None = None,
        recorder: Recorder | None = None,
    ) -> Tensor:
        if memory is None or recorder is not None:
            return super().forward(token_ids, position_ids, may_attend, memory, recorder)
        expected = Transformer.forward(self, token_ids, position_ids, may_attend, memory)
        found = super().forward(token_ids, position_ids, may_attend, memory)
        # Other sizes have other kernels on a GPU, which add up in another order.
        torch.testing.assert_close(found, expected, atol=1e-3, rtol=1e-3, equal_nan=True)
        return expected


@pytest.mark.parametrize(
    "device",
    [
        pytest.param("cpu", id="pretended_graph"),
        pytest.param(
            "cuda",
            id="real_graph",
            marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU"),
        ),
    ],
)
@pytest.mark.parametrize("kind", ["fixed", "resizing", "causal", "block"])
def test_every_replayed_pass_gives_what_the_network_does(
    kind: str, device: str, request: pytest.FixtureRequest
) -> None:
    folder: Path = request.getfixturevalue(f"{kind}_folder")
    config = ModelConfig.from_checkpoint(folder)
    beside = Beside(load_network(folder).to(device), Captures() if device == "cpu" else None)
    engine = Engine(beside, Tokenizer.from_checkpoint(folder, config.vocab_size), "graphed")
    for num_candidates in (1, 2):
        texts(
            engine,
            DecodeOptions(num_steps=8, num_candidates=num_candidates, guide="self" if kind == "causal" else None),
        )
    assert beside._graphs
