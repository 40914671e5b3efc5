"""How much memory a model takes while it fills a hole, computed from its shape.

    weights     parameters × bytes of a number, of which a precision takes fewer for most matrices, padded as it has
                them; of a mixture, all experts, since any may be next; on a CPU, an embedding that is the head counts
                twice, since a model of up to 2 GiB holds it so
    cache       keys and values of prompt and canvas in every layer, for every candidate
    workspace   logits of the canvas in fp32 with what is derived from them, and one layer's activations; of a mixture,
                tokens once for each expert that they pass, or, few of them on a GPU, for all experts
    graphs      on a GPU, the padded prompts of recorded passes, within their budget; none of mixtures in fewer bits
    guide       of one that came with the model: its weights, of which an adapter shares the embedding, and a cache and
                graphs of its own

An estimate: allocators round up and CUDA itself wants some hundred MiB, for which `HEADROOM` stands.
"""

from dataclasses import dataclass, fields, replace
from typing import NamedTuple

from dlm_model.network.config import ModelConfig
from dlm_model.network.graph_budget import MAX_GRAPH_BYTES, MAX_GRAPHS
from dlm_model.network.mixture_config import MAX_FOR_EVERYBODY, MixtureConfig
from dlm_model.network.precision import BYTES_PER_WEIGHT, COLUMN_MULTIPLES, Precision

HEADROOM = 1.1

_LOGIT_COPIES = 3
"""Numbers held for each logit: itself, its probability, and one to sort or sample from."""

_LOGIT_BYTES = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """The sizes that memory follows from; the words are those of `ModelConfig`."""

    vocab_size: int
    hidden_size: int
    intermediate_size: int
    num_layers: int
    num_heads: int
    num_kv_heads: int
    head_dim: int
    ties_embeddings: bool = False
    mixture: MixtureConfig | None = None

    @classmethod
    def of(cls, config: ModelConfig) -> "Shape":
        """The shape of a checkpoint."""
        return cls(**{field.name: getattr(config, field.name) for field in fields(cls)})


class Load(NamedTuple):
    """What is filled at once: candidates side by side, and tokens of prompt and canvas in each."""

    num_candidates: int
    num_prompt_tokens: int
    num_middle_tokens: int


class Companion(NamedTuple):
    """The guide that came with a model: an adapter of the model's own weights, or a checkpoint of its own."""

    shape: Shape
    is_adapter: bool


class Footprint(NamedTuple):
    """Bytes that a model takes while it fills a hole, by what they are for."""

    weights: int
    cache: int
    workspace: int
    graphs: int = 0
    guide: int = 0

    @property
    def total(self) -> int:
        """Bytes of all parts, and of the headroom."""
        return round(sum(self) * HEADROOM)


def num_parameters(shape: Shape) -> int:
    """Weights in matrices; the vectors (norms, biases) are below a thousandth of them."""
    return _embeddings(shape) + _routers(shape) + _in_layers(shape)


def num_active_parameters(shape: Shape) -> int:
    """Weights in matrices that one token needs: of a mixture, its active experts and no others."""
    if (mixture := shape.mixture) is None:
        return num_parameters(shape)
    active = replace(mixture, num_experts=mixture.num_active_experts, num_groups=1, num_active_groups=1)
    return _embeddings(shape) + _routers(shape) + _in_layers(replace(shape, mixture=active))


def _in_layers(shape: Shape, column_multiple: int = 1) -> int:
    """Weights in the layers' matrices, routers aside; their columns are padded to multiples of `column_multiple`."""

    def held(num_rows: int, num_columns: int) -> int:
        return num_rows * -(-num_columns // column_multiple) * column_multiple

    def mlp(size: int) -> int:
        return 2 * held(size, shape.hidden_size) + held(shape.hidden_size, size)

    query_size, kv_size = shape.num_heads * shape.head_dim, shape.num_kv_heads * shape.head_dim
    attention = held(query_size + 2 * kv_size, shape.hidden_size) + held(shape.hidden_size, query_size)
    if (mixture := shape.mixture) is None:
        return shape.num_layers * (attention + mlp(shape.intermediate_size))
    mixed = mixture.num_experts * mlp(mixture.expert_size) + mlp(mixture.shared_size)
    num_mixed = shape.num_layers - mixture.num_dense_layers
    dense = mixture.num_dense_layers * mlp(shape.intermediate_size)
    return shape.num_layers * attention + dense + num_mixed * mixed


def _embeddings(shape: Shape) -> int:
    return shape.vocab_size * shape.hidden_size * (1 if shape.ties_embeddings else 2)


def _routers(shape: Shape) -> int:
    if (mixture := shape.mixture) is None:
        return 0
    return (shape.num_layers - mixture.num_dense_layers) * shape.hidden_size * mixture.num_experts


def footprint(
    shape: Shape, load: Load, *, bytes_per_number: int, precision: Precision = "auto", is_gpu: bool = False
) -> Footprint:
    """Memory under a load, on a device that computes in numbers of that many bytes and holds weights in a precision."""
    num_tokens = load.num_candidates * (load.num_prompt_tokens + load.num_middle_tokens)
    kv_size = 2 * shape.num_layers * shape.num_kv_heads * shape.head_dim
    logits = load.num_candidates * load.num_middle_tokens * shape.vocab_size * _LOGIT_BYTES * _LOGIT_COPIES
    prompts = load.num_candidates * load.num_prompt_tokens * kv_size * bytes_per_number
    activations = num_tokens * (2 * _widest(shape) + 4 * shape.hidden_size) + _routed(shape, num_tokens, is_gpu=is_gpu)
    is_recorded = is_gpu and (shape.mixture is None or precision not in BYTES_PER_WEIGHT)
    in_layers = _in_layers(shape, COLUMN_MULTIPLES.get(precision, 1)) * BYTES_PER_WEIGHT.get(
        precision, bytes_per_number
    )
    num_twice = shape.vocab_size * shape.hidden_size if shape.ties_embeddings and not is_gpu else 0
    return Footprint(
        weights=(_embeddings(shape) + _routers(shape) + num_twice) * bytes_per_number + round(in_layers),
        cache=num_tokens * kv_size * bytes_per_number,
        workspace=logits + activations * bytes_per_number,
        graphs=min(MAX_GRAPHS * prompts, MAX_GRAPH_BYTES) if is_recorded else 0,
    )


def with_guide(
    alone: Footprint,
    guide: Companion,
    load: Load,
    *,
    bytes_per_number: int,
    precision: Precision = "auto",
    is_gpu: bool = False,
) -> Footprint:
    """The memory of a model that brings a guide; the other arguments are those of `footprint`."""
    shape = guide.shape
    own = footprint(shape, load, bytes_per_number=bytes_per_number, precision=precision, is_gpu=is_gpu)
    num_shared = 0
    if guide.is_adapter:
        num_shared = shape.vocab_size * shape.hidden_size * (2 if shape.ties_embeddings and not is_gpu else 1)
    return alone._replace(guide=own.weights - num_shared * bytes_per_number + own.cache + own.graphs)


def _widest(shape: Shape) -> int:
    """Intermediate size of the widest MLP that all tokens pass."""
    if (mixture := shape.mixture) is None:
        return shape.intermediate_size
    return max(mixture.shared_size, shape.intermediate_size if mixture.num_dense_layers else 0)


def _routed(shape: Shape, num_tokens: int, *, is_gpu: bool) -> int:
    """Numbers that a mixture makes of its tokens: sorted by expert, gate and up and their product, back in place."""
    if (mixture := shape.mixture) is None:
        return 0
    num_routes = num_tokens * mixture.num_active_experts
    num_inner = max(num_routes, min(num_tokens, MAX_FOR_EVERYBODY) * mixture.num_experts if is_gpu else 0)
    return 3 * (num_routes * shape.hidden_size + num_inner * mixture.expert_size)
