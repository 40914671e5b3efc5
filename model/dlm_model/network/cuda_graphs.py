"""The network on a GPU: passes over a canvas are recorded once per shape as a CUDA graph, and replayed.

A pass over 64 tokens of a small model is a thousand kernels of a few microseconds each, and starting them one by one
takes the CPU longer than running them takes the GPU. A graph is started at once. It runs on the same memory each time,
in fixed shapes: canvas and prompt are padded to the next bucket, and nothing attends to the padding.

Not yet measured on a GPU; that padding changes no result is tested on a CPU.
"""

import logging
import sys
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache, partial
from typing import NamedTuple
from weakref import WeakSet

import torch
from torch import Tensor

from dlm_model.network.graph_budget import MAX_GRAPH_BYTES, MAX_GRAPHS
from dlm_model.network.kv_cache import KVCache, LayerKV
from dlm_model.network.mixture import Mixture
from dlm_model.network.transformer import Memory, Recorder, Transformer

logger = logging.getLogger(__name__)

CANVAS_BUCKET = 32
MEMORY_BUCKET = 256
_WARM_UP_RUNS = 2

Replay = Callable[[], None]
Capture = Callable[[Callable[[], Tensor]], tuple[Tensor, Replay]]
"""Run some work → its result, and a function that runs it again into the same memory."""


class _Shape(NamedTuple):
    """Rows, canvas columns and remembered tokens, as padded; whether each column has a mask of its own."""

    num_rows: int
    num_queries: int
    num_memory: int
    is_per_query: bool


@dataclass(eq=False)
class _Graph:
    """One recorded shape: what it reads, what it writes."""

    token_ids: Tensor
    position_ids: Tensor
    may_attend: Tensor
    memory: Memory
    hidden: Tensor
    replay: Replay


class GraphedTransformer(Transformer):
    """A `Transformer` that replays its passes over a canvas; all others run as ever.

    A result is overwritten by the next recorded pass on the same device: read it before.
    """

    def __init__(self, network: Transformer, capture: Capture | None = None) -> None:
        """Share a network's weights; nothing is recorded yet.

        Args:
            network: The weights and where they are.
            capture: How to record; by default, as a CUDA graph.
        """
        # Not `super().__init__`, which would make weights: this one has all that the other has, by the same names.
        vars(self).update(vars(network))
        self._capture = capture
        self._graphs: OrderedDict[_Shape, _Graph] = OrderedDict()
        self._max_bytes = MAX_GRAPH_BYTES
        self._can_record = True
        # With more tokens, the CPU looks up how many of them each expert gets, which no recording can do.
        mixtures = [module for module in network.modules() if isinstance(module, Mixture)]
        self._max_tokens = min((mixture.experts.max_tokens_unwatched for mixture in mixtures), default=sys.maxsize)

    def forward(
        self,
        token_ids: Tensor,
        position_ids: Tensor,
        may_attend: Tensor | None = None,
        memory: Memory | None = None,
        recorder: Recorder | None = None,
    ) -> Tensor:
        """As `Transformer.forward`."""
        if not self._can_record or memory is None or recorder is not None:
            return super().forward(token_ids, position_ids, may_attend, memory, recorder)
        num_memory = memory.position_ids.shape[1]
        num_rows, num_queries = token_ids.shape
        is_per_query = may_attend is not None and may_attend.dim() == 3
        sizes = _padded(num_queries, CANVAS_BUCKET), _padded(num_memory, MEMORY_BUCKET)
        shape = _Shape(num_rows, *sizes, is_per_query)
        is_small = shape.num_rows * shape.num_queries <= self._max_tokens
        graph = self._graph(shape, token_ids.device) if is_small else None
        if graph is None:
            return super().forward(token_ids, position_ids, may_attend, memory)
        return self._replayed(graph, token_ids, position_ids, may_attend, memory)

    def _replayed(
        self, graph: _Graph, token_ids: Tensor, position_ids: Tensor, may_attend: Tensor | None, memory: Memory
    ) -> Tensor:
        num_queries = token_ids.shape[1]
        _load_memory(graph, memory)
        graph.token_ids[:, :num_queries] = token_ids
        graph.position_ids[:, :num_queries] = position_ids
        _load_attention_mask(graph, may_attend, num_queries, memory.position_ids.shape[1])
        graph.replay()
        return graph.hidden[:, :num_queries]

    def _graph(self, shape: _Shape, device: torch.device) -> _Graph | None:
        """The shape's graph; recorded if it is new, in place of those that were not used for longest.

        None: there is no memory for it, or nothing can be recorded here.
        """
        if shape not in self._graphs:
            num_bytes = self._num_bytes([shape])
            if num_bytes > self._max_bytes:
                return None
            while len(self._graphs) == MAX_GRAPHS or self._num_bytes([*self._graphs, shape]) > self._max_bytes:
                self._graphs.popitem(last=False)
            graph = self._try_to_record(shape, device)
            if graph is None and self._can_record:
                self._graphs.clear()
                graph = self._try_to_record(shape, device)
            if graph is None:
                self._max_bytes = num_bytes - 1  # what did not fit alone is not tried again
                return None
            self._graphs[shape] = graph
        self._graphs.move_to_end(shape)
        return self._graphs[shape]

    def _num_bytes(self, shapes: Iterable[_Shape]) -> int:
        """What graphs of these shapes hold: keys and values of the prompt, which those of the same size share.

        What the passes need while they run is theirs together, and about as much as one takes that is not recorded.
        """
        config, dtype = self.config, self.embed_tokens.weight.dtype
        per_token: int = 2 * config.num_layers * config.num_kv_heads * config.head_dim * dtype.itemsize
        sizes = {(shape.num_rows, shape.num_memory) for shape in shapes}
        return per_token * sum(num_rows * num_memory for num_rows, num_memory in sizes)

    def _try_to_record(self, shape: _Shape, device: torch.device) -> _Graph | None:
        """None where memory runs out, or nothing can be recorded."""
        try:
            return self._record(shape, device)
        except torch.OutOfMemoryError:
            logger.info("no memory to record a pass over %d x %d tokens", shape.num_rows, shape.num_queries)
        except RuntimeError:
            logger.warning("passes cannot be recorded on this GPU and run one kernel at a time", exc_info=True)
            self._can_record = False
            self._graphs.clear()
        return None

    def _record(self, shape: _Shape, device: torch.device) -> _Graph:
        num_rows, num_queries, num_memory, is_per_query = shape
        token_ids, position_ids = torch.zeros(2, num_rows, num_queries, dtype=torch.long, device=device)
        sees = (num_queries,) if is_per_query else ()
        may_attend = torch.ones(num_rows, *sees, num_queries + num_memory, dtype=torch.bool, device=device)
        memory = self._memory(num_rows, num_memory, device)
        forward, capture = super().forward, self._capture or _captures(device)
        hidden, replay = capture(lambda: forward(token_ids, position_ids, may_attend, memory))
        return _Graph(token_ids, position_ids, may_attend, memory, hidden, replay)

    def _memory(self, num_rows: int, num_memory: int, device: torch.device) -> Memory:
        """The one that a graph of this size has already, since every pass fills it anew; otherwise zeros."""
        for graph in self._graphs.values():
            if graph.memory.position_ids.shape == (num_rows, num_memory):
                return graph.memory
        size = (num_rows, num_memory, self.config.num_kv_heads, self.config.head_dim)
        zeros = partial(torch.zeros, size, dtype=self.embed_tokens.weight.dtype, device=device)
        positions = torch.zeros(num_rows, num_memory, dtype=torch.long, device=device)
        return Memory(KVCache(tuple(LayerKV(zeros(), zeros()) for _ in self.layers)), positions)


def _load_memory(graph: _Graph, memory: Memory) -> None:
    """Copied in every pass, all layers in one call: a policy may have changed any of it."""
    num_memory = memory.position_ids.shape[1]
    graph.memory.position_ids[:, :num_memory] = memory.position_ids
    pairs = [
        (static[:, :num_memory], given)
        for layer, of_layer in zip(graph.memory.cache.layers, memory.cache.layers, strict=True)
        for static, given in ((layer.keys, of_layer.keys), (layer.values, of_layer.values))
    ]
    torch._foreach_copy_([static for static, _ in pairs], [given for _, given in pairs])


def _load_attention_mask(graph: _Graph, may_attend: Tensor | None, num_queries: int, num_memory: int) -> None:
    """No query sees the padding; padded queries see what the first one does, since with nothing to see they are NaN."""
    static, start = graph.may_attend, graph.token_ids.shape[1]
    static.zero_()
    columns = ((slice(num_queries), slice(num_queries)), (slice(start, start + num_memory), slice(num_queries, None)))
    for there, given in columns:
        if may_attend is None:
            static[..., there] = True
        elif may_attend.dim() == 2:
            static[:, there] = may_attend[:, given]
        else:
            static[:, :num_queries, there] = may_attend[..., given]
            static[:, num_queries:, there] = may_attend[:, :1, given]


def recorded(network: Transformer) -> Transformer:
    """The network, with its passes over a canvas recorded where that is possible: on CUDA GPUs."""
    return GraphedTransformer(network) if network.device.type == "cuda" else network


def _padded(length: int, bucket: int) -> int:
    return -(-length // bucket) * bucket


class CudaCapture:
    """Records on one device, always on the same stream.

    A stream of its own costs each recording a workspace of cuBLAS, 32 MB on a data-centre GPU, that is never freed.
    Recordings share what memory they need while they run: only one runs at a time.

    Args:
        device: Not necessarily the current one, on which a stream would be opened and a recording stay empty.
    """

    def __init__(self, device: torch.device) -> None:
        self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        self._graphs: WeakSet[torch.cuda.CUDAGraph] = WeakSet()

    def __call__(self, work: Callable[[], Tensor]) -> tuple[Tensor, Replay]:
        """Run some work three times, and keep the last."""
        stream, before = self._stream, torch.cuda.current_stream(self._stream.device)
        with torch.cuda.device(stream.device):
            # What a first run allocates and selects must not become part of the graph.
            stream.wait_stream(before)
            with torch.cuda.stream(stream):
                for _ in range(_WARM_UP_RUNS):
                    work()
            before.wait_stream(stream)
            graph = torch.cuda.CUDAGraph()
            # A pool whose last graph is gone cannot be used again.
            pool = next((other.pool() for other in self._graphs), None)
            try:
                # Other threads may do with the device what they like meanwhile.
                with torch.cuda.graph(graph, pool=pool, stream=stream, capture_error_mode="thread_local"):
                    result = work()
            finally:
                # A recording that fails to end leaves the thread on its own stream.
                torch.cuda.set_stream(before)
        self._graphs.add(graph)
        return result, graph.replay


_captures = cache(CudaCapture)
"""One per device, for all networks on it."""
