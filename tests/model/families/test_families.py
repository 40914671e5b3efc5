"""The files of each family: how they are read, and that the engine fills a hole with each of them."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from dlm_model.decode_options import DecodeOptions
from dlm_model.engine import Engine, load_engine
from dlm_model.errors import CheckpointError, RequestError
from dlm_model.network.config import ModelConfig
from dlm_model.request import CancelToken, Draft, InfillRequest
from tests.model.families.block_causal_checkpoints import BLOCK_CAUSAL
from tests.model.families.checkpoint_parts import CONTEXT, NUM_TRAINED, QWEN_MARKERS, VOCAB_SIZE, edit_json
from tests.model.families.family_facts import FACTS
from tests.model.families.published_checkpoints import PUBLISHED

REQUEST = InfillRequest("def size(self):\n    return ", "\n\ndef other(self):\n    pass\n", expected_tokens=6)
EXACT = DecodeOptions(num_steps=8, prompt_refresh_interval=1, max_middle_tokens=24)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folders = {family: tmp_path_factory.mktemp(family) for family in PUBLISHED}
    for family, folder in folders.items():
        PUBLISHED[family](folder)
    return folders


@pytest.mark.parametrize("family", PUBLISHED)
def test_ids_and_flags_are_found_where_the_family_stores_them(folders: dict[str, Path], family: str) -> None:
    config = ModelConfig.from_checkpoint(folders[family])
    assert {name: getattr(config, name) for name in FACTS[family]} == FACTS[family]
    assert config.can_resize == (family == "dreamon" or family in BLOCK_CAUSAL)
    assert bool(config.end_token_ids) == (family in BLOCK_CAUSAL)
    assert config.sees_suffix == (family not in BLOCK_CAUSAL)


HUB_CACHE = "models--owner--{}/snapshots/0a1b2c"
"""How the hub's own client names folders, by repository and commit."""


@pytest.mark.parametrize("layout", ["{}", HUB_CACHE])
@pytest.mark.parametrize(
    ("family", "name", "block_length"),
    [
        ("a2d-qwen3", "Qwen3-0.6B-diffusion-bd3lm-v0.1", 32),
        ("a2d-qwen3", "Qwen3-0.6B-diffusion-mdlm-v0.1", None),
        ("sdar", "SDAR-8B-Chat", 4),
        ("sdar", "SDAR-8B-Chat-b32", 32),
        ("sdar", "TraDo-8B-Instruct", 4),
        ("sdar-moe", "SDAR-30B-A3B-Chat-b16", 16),
    ],
)
def test_the_length_of_blocks_may_be_in_the_name_alone(
    tmp_path: Path, family: str, name: str, block_length: int | None, layout: str
) -> None:
    folder = tmp_path / layout.format(name)
    folder.mkdir(parents=True)
    PUBLISHED[family](folder)
    edit_json(folder / "config.json", block_size=None)
    assert ModelConfig.from_checkpoint(folder).block_length == block_length


def test_a_link_does_not_hide_the_published_name(tmp_path: Path) -> None:
    folder = tmp_path / "SDAR-8B-Chat-b32"
    folder.mkdir()
    PUBLISHED["sdar"](folder)
    edit_json(folder / "config.json", block_size=None)
    link = tmp_path / "mine"
    link.symlink_to(folder)
    assert load_engine(str(link), "cpu").network.config.block_length == 32


def test_the_first_stable_diffcoder_is_told_by_its_code_alone(tmp_path: Path) -> None:
    PUBLISHED["stable-diffcoder"](tmp_path)
    code = {"AutoModelForCausalLM": "modeling_seed_diffcoder.SeedDiffcoderForCausalLM"}
    edit_json(tmp_path / "config.json", architectures=["LlamaForCausalLM"], auto_map=code)
    config = ModelConfig.from_checkpoint(tmp_path)
    assert {name: getattr(config, name) for name in FACTS["stable-diffcoder"]} == FACTS["stable-diffcoder"]


class Watched:
    """An engine whose network records its inputs and outputs, pass by pass."""

    def __init__(self, folder: Path) -> None:
        self.engine: Engine = load_engine(str(folder), "cpu")
        self.network = self.engine.network
        self.config = self.network.config
        self.seen: list[Tensor] = []
        self.answered: list[Tensor] = []
        answer = self.network.logits

        def remember(hidden: Tensor) -> Tensor:
            self.answered.append(answer(hidden))
            return self.answered[-1]

        self.network.logits = remember  # type: ignore[method-assign]
        self.network.register_forward_pre_hook(lambda _, arguments: self.seen.append(arguments[0]))

    def fill(self, request: InfillRequest, options: DecodeOptions = EXACT) -> Draft:
        return list(self.engine.infill(request, options, CancelToken()))[-1]


@pytest.fixture(scope="module", params=PUBLISHED)
def watched(folders: dict[str, Path], request: pytest.FixtureRequest) -> Watched:
    return Watched(folders[request.param])


def test_a_hole_is_filled_with_text(watched: Watched) -> None:
    draft = watched.fill(REQUEST)
    assert draft.finish_reason in ("stop", "length")
    assert all(piece.state == "committed" for piece in draft.pieces)
    assert draft.candidates
    markers = ("<|", "|>", "<M>", "<tool_call>")
    assert not [candidate for candidate in draft.candidates if any(marker in candidate.text for marker in markers)]


def test_the_prompt_begins_and_ends_as_the_family_was_trained(watched: Watched) -> None:
    watched.seen.clear()
    watched.fill(REQUEST)
    row = watched.seen[0][0].tolist()
    has_bos = watched.config.bos_token_id is not None and watched.config.always_begins_with_bos
    assert (row[0] == watched.config.bos_token_id) == has_bos
    assert (row[-1] == watched.config.eos_token_id) == (watched.config.eos_token_id is not None)
    num_ends = has_bos + (watched.config.eos_token_id is not None)
    spellings = watched.engine.tokenizer.token_bytes
    assert sum(not spellings[token_id] for token_id in row) == num_ends + row.count(watched.config.mask_token_id)


@pytest.mark.parametrize("watched", [family for family in PUBLISHED if family not in BLOCK_CAUSAL], indirect=True)
def test_a_mask_is_predicted_where_the_family_predicts_it(watched: Watched) -> None:
    """At the mask itself, or at the token left of it where logits are shifted."""
    watched.seen.clear()
    watched.answered.clear()
    watched.fill(REQUEST, replace(EXACT, middle_length=6))
    token_ids = watched.seen[0]
    with torch.inference_mode():
        hidden = watched.network(token_ids, torch.arange(token_ids.shape[1])[None])
        whole = torch.nn.functional.linear(hidden, head_of(watched))[0]
    columns = (token_ids[0] == watched.config.mask_token_id).nonzero()[:, 0] - int(watched.config.shift_logits)
    assert len(columns) >= 6
    torch.testing.assert_close(watched.answered[0], whole[columns], atol=1e-4, rtol=0)


def head_of(watched: Watched) -> Tensor:
    network = watched.network
    head = network.embed_tokens if watched.config.ties_embeddings else network.lm_head
    weight: Tensor = head.weight
    return weight.to_dense() if weight.is_mkldnn else weight


def test_an_empty_prefix_still_has_something_to_predict_from(watched: Watched) -> None:
    watched.seen.clear()
    draft = watched.fill(InfillRequest("", "\npass\n", expected_tokens=4))
    assert draft.finish_reason in ("stop", "length")
    if watched.config.shift_logits:
        assert watched.seen[0][0, 0] == watched.config.bos_token_id


def test_markers_in_source_text_stay_text(watched: Watched) -> None:
    text = f"a = '{''.join(QWEN_MARKERS)}<|mask|><M><|mdm_mask|><|endoftext|><|beginoftext|>'\n"
    encoding = watched.engine.tokenizer.encode(text)
    assert max(encoding.ids) < NUM_TRAINED
    assert watched.engine.tokenizer.spell(encoding.ids) == text.encode()


def test_a_prompt_beyond_the_context_is_refused_and_not_cut(watched: Watched) -> None:
    too_long = InfillRequest("x = 1\n" * watched.config.context_length, "", expected_tokens=4)
    with pytest.raises(RequestError, match=f"sees {watched.config.context_length}"):
        watched.fill(too_long)


@pytest.mark.parametrize(
    ("family", "changes", "message"),
    [
        ("llada", {"layer_norm_type": "default"}, "layer_norm_type 'default' is not supported, only 'rms'"),
        ("llada", {"block_type": "sequential"}, "block_type 'sequential'"),
        ("llada", {"d_model": None}, "d_model is None"),
        ("illada", {"layer_norm_eps": 1e-5}, "layer_norm_eps 1e-05 is not supported, only None"),
        ("llada-moe", {"shared_expert_intermediate_size": 8}, "shared_expert_intermediate_size 8"),
        ("llada-moe", {"moe_router_score_function": "sigmoid"}, "only routing by a plain softmax"),
        ("llada-moe", {"moe_layer_freq": [0, 1]}, "layers without experts"),
        ("llada-moe", {"num_experts_per_tok": 7}, "7 of 6 experts cannot be active"),
        ("sdar-moe", {"mlp_only_layers": [1]}, "layers without experts"),
        ("sdar-moe", {"decoder_sparse_step": 2}, "layers without experts"),
        ("llada2", {"score_function": "softmax"}, "score_function 'softmax' is not supported, only 'sigmoid'"),
        ("llada2", {"norm_topk_prob": False}, "norm_topk_prob False"),
        ("llada2", {"moe_router_enable_expert_bias": False}, "moe_router_enable_expert_bias False"),
        ("llada2", {"n_group": 3}, "8 experts cannot be cut into 3 groups"),
        ("llada2", {"n_group": 8}, "8 experts cannot be cut into 8 groups"),
        ("llada2", {"topk_group": 5}, "5 of 4 groups of experts cannot be active"),
        ("llada2", {"num_experts_per_tok": 5}, "5 of 4 experts cannot be active"),
        ("llada2", {"partial_rotary_factor": 0.4}, "3 of 8 dimensions cannot turn"),
        ("llada2", {"num_attention_heads": 5}, "5 query heads cannot share 2"),
        ("dream", {"rope_scaling": {"type": "yarn", "factor": 4.0}}, "rotary scaling 'yarn'"),
        ("dream", {"mask_token_id": VOCAB_SIZE}, f"mask_token_id {VOCAB_SIZE} is outside"),
    ],
)
def test_a_variant_that_the_network_has_not_is_refused(
    tmp_path: Path, family: str, changes: dict[str, object], message: str
) -> None:
    PUBLISHED[family](tmp_path)
    edit_json(tmp_path / "config.json", **changes)
    with pytest.raises(CheckpointError) as caught:
        ModelConfig.from_checkpoint(tmp_path)
    assert message in str(caught.value)


def test_a_mask_that_no_file_names_is_asked_for(tmp_path: Path) -> None:
    PUBLISHED["a2d-qwen2"](tmp_path)
    (tmp_path / "tokenizer_config.json").write_text("{}")
    with pytest.raises(CheckpointError, match="has no mask_token_id, and its tokenizer names no mask_token"):
        ModelConfig.from_checkpoint(tmp_path)


@pytest.mark.parametrize(("name", "selection"), [("dream", "entropy"), ("dreamon", "entropy"), ("llada", "confidence")])
def test_a_family_selects_as_its_publishers_do(folders: dict[str, Path], name: str, selection: str) -> None:
    assert ModelConfig.from_checkpoint(folders[name]).selection == selection


def test_a_context_beyond_what_dreamon_was_trained_with_is_not_believed(folders: dict[str, Path]) -> None:
    stored = json.loads((folders["dreamon"] / "config.json").read_text())
    assert stored["max_position_embeddings"] == 131072
    assert ModelConfig.from_checkpoint(folders["dream"]).context_length == CONTEXT
