"""The shapes of published models, as their configs give them; weights are counted from these.

Most models keep the shape of what they began as, and are found under its name.
"""

from dlm_lsp.models.footprint import Shape
from dlm_model.network.mixture_config import MixtureConfig

LLADA = Shape(
    vocab_size=126464,
    hidden_size=4096,
    intermediate_size=12288,
    num_layers=32,
    num_heads=32,
    num_kv_heads=32,
    head_dim=128,
)
ILLADA = Shape(
    vocab_size=155136,
    hidden_size=4096,
    intermediate_size=14336,
    num_layers=32,
    num_heads=32,
    num_kv_heads=8,
    head_dim=128,
    ties_embeddings=True,
)
SEED_CODER = Shape(
    vocab_size=155136,
    hidden_size=4096,
    intermediate_size=14336,
    num_layers=32,
    num_heads=32,
    num_kv_heads=8,
    head_dim=128,
)
LLADA_MOE = Shape(
    vocab_size=157184,
    hidden_size=2048,
    intermediate_size=1024,
    num_layers=16,
    num_heads=16,
    num_kv_heads=16,
    head_dim=128,
    mixture=MixtureConfig(num_experts=64, num_active_experts=8, expert_size=1024),
)
LLADA2_MINI = Shape(
    vocab_size=157184,
    hidden_size=2048,
    intermediate_size=5120,
    num_layers=20,
    num_heads=16,
    num_kv_heads=4,
    head_dim=128,
    mixture=MixtureConfig(num_experts=256, num_active_experts=8, expert_size=512, shared_size=512, num_dense_layers=1),
)
QWEN3_8B = Shape(
    vocab_size=151936,
    hidden_size=4096,
    intermediate_size=12288,
    num_layers=36,
    num_heads=32,
    num_kv_heads=8,
    head_dim=128,
)
QWEN3_30B = Shape(
    vocab_size=151936,
    hidden_size=2048,
    intermediate_size=6144,
    num_layers=48,
    num_heads=32,
    num_kv_heads=4,
    head_dim=128,
    mixture=MixtureConfig(num_experts=128, num_active_experts=8, expert_size=768),
)
QWEN2_7B = Shape(
    vocab_size=152064,
    hidden_size=3584,
    intermediate_size=18944,
    num_layers=28,
    num_heads=28,
    num_kv_heads=4,
    head_dim=128,
)
QWEN2_1_5B = Shape(
    vocab_size=151936,
    hidden_size=1536,
    intermediate_size=8960,
    num_layers=28,
    num_heads=12,
    num_kv_heads=2,
    head_dim=128,
    ties_embeddings=True,
)
QWEN2_0_5B = Shape(
    vocab_size=151936,
    hidden_size=896,
    intermediate_size=4864,
    num_layers=24,
    num_heads=14,
    num_kv_heads=2,
    head_dim=64,
    ties_embeddings=True,
)
QWEN3_0_6B = Shape(
    vocab_size=151936,
    hidden_size=1024,
    intermediate_size=3072,
    num_layers=28,
    num_heads=16,
    num_kv_heads=8,
    head_dim=128,
    ties_embeddings=True,
)
