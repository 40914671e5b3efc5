"""The network against transformers' own modules, given a full attention mask."""

from pathlib import Path

import pytest
import torch

from dlm_model.network.transformer import Memory, Recorder, Transformer
from tests.model.tiny_checkpoints import FAMILIES, VOCAB_SIZE, load_network, write_checkpoint

TOKENS = torch.randint(0, VOCAB_SIZE, (2, 23), generator=torch.Generator().manual_seed(1))
POSITIONS = torch.arange(23).expand(2, -1)


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Transformer:
    folder = tmp_path_factory.mktemp("checkpoint")
    write_checkpoint(folder, "qwen2-tied")
    return load_network(folder)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("shard_size", ["1GB", "20KB"], ids=["single", "sharded"])
def test_logits_equal_transformers_with_full_attention(tmp_path: Path, family: str, shard_size: str) -> None:
    oracle = write_checkpoint(tmp_path, family, max_shard_size=shard_size)
    network = load_network(tmp_path)
    everybody_sees_everybody = torch.zeros(2, 1, 23, 23)
    with torch.inference_mode():
        expected = oracle(TOKENS, attention_mask=everybody_sees_everybody).logits
        actual = network.logits(network(TOKENS, POSITIONS))
    assert (actual - expected).abs().max() <= 1e-4
    assert torch.equal(actual.argmax(-1), expected.argmax(-1))


def test_the_first_token_attends_to_the_last(network: Transformer) -> None:
    changed = TOKENS.clone()
    changed[:, -1] = (changed[:, -1] + 1) % VOCAB_SIZE
    assert not torch.allclose(network(TOKENS, POSITIONS)[:, 0], network(changed, POSITIONS)[:, 0])


def test_padding_changes_nothing(network: Transformer) -> None:
    may_attend = torch.ones(2, 23, dtype=torch.bool)
    may_attend[:, 20:] = False
    padded = network(TOKENS, POSITIONS, may_attend)[:, :20]
    torch.testing.assert_close(padded, network(TOKENS[:, :20], POSITIONS[:, :20]), atol=1e-5, rtol=1e-4)


def test_remembered_keys_give_the_same_hidden_states_when_nothing_changed(network: Transformer) -> None:
    recorder = Recorder()
    whole = network(TOKENS, POSITIONS, recorder=recorder)
    window = slice(8, 15)
    prompt = [index for index in range(23) if not window.start <= index < window.stop]
    memory = Memory(recorder.cache.at(torch.tensor(prompt)), POSITIONS[:, prompt])
    refined = network(TOKENS[:, window], POSITIONS[:, window], memory=memory)
    torch.testing.assert_close(refined, whole[:, window], atol=1e-5, rtol=1e-4)


def test_shifting_all_positions_changes_nothing(network: Transformer) -> None:
    """RoPE is relative, so what a remembered suffix sees does not depend on where the document starts."""
    torch.testing.assert_close(network(TOKENS, POSITIONS + 100), network(TOKENS, POSITIONS), atol=1e-4, rtol=1e-3)
