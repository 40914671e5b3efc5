"""The published models and guides that have a short name here.

A revision is the commit that public reproductions of the model name, so that a short name means the same files to
everybody, whatever its publisher changes later.
"""

from dataclasses import dataclass

from dlm_lsp.models import published_shapes
from dlm_lsp.models.footprint import Shape
from dlm_lsp.models.store import Role


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogueEntry:
    """A published model.

    Attributes:
        name: What `--model`, or `--guide`, and `models pull` call it.
        repository: owner/name on the hub.
        revision: The commit that is pulled.
        licence: As its publisher states it; the hub is asked again before anything is pulled.
        note: What it is, in a few words.
        roles: What it can be.
    """

    name: str
    repository: str
    revision: str
    licence: str
    note: str
    shape: Shape
    roles: tuple[Role, ...] = ("model",)


_ENTRIES = (
    CatalogueEntry(
        name="dreamon-7b",
        repository="Dream-org/DreamOn-v0-7B",
        revision="8ccc74750e43177327f29dab9e91882ba759e194",
        licence="Apache-2.0",
        note="infills code and finds the length itself; 2048 tokens",
        shape=published_shapes.QWEN2_7B,
    ),
    CatalogueEntry(
        name="dream-coder-7b",
        repository="Dream-org/Dream-Coder-v0-Instruct-7B",
        revision="5d9e88c723af9045f362748b5284bdf43d9c501e",
        licence="Apache-2.0",
        note="code, any order of filling",
        shape=published_shapes.QWEN2_7B,
    ),
    CatalogueEntry(
        name="d3llm-coder-7b",
        repository="d3LLM/d3LLM_Dream_Coder",
        revision="84f9039e1d69b02bf21aff5d681ef501c94f09b9",
        licence="Apache-2.0",
        note="code; Dream-Coder, distilled to take fewer steps",
        shape=published_shapes.QWEN2_7B,
    ),
    CatalogueEntry(
        name="diffucoder-7b",
        repository="apple/DiffuCoder-7B-cpGRPO",
        revision="98bc42bfd871eeec92fd0a8439ab34f75b405204",
        licence="Apple research licence",
        note="code, trained with reinforcement",
        shape=published_shapes.QWEN2_7B,
    ),
    CatalogueEntry(
        name="open-dcoder-0.5b",
        repository="fredzzp/open-dcoder-0.5B",
        revision="d0d86d5b99960c05258bb1f8265dd91564dbac67",
        licence="Apache-2.0",
        note="code, small enough for a CPU",
        shape=published_shapes.QWEN2_0_5B,
    ),
    CatalogueEntry(
        name="tiny-a2d-coder-0.5b",
        repository="dllm-hub/Qwen2.5-Coder-0.5B-Instruct-diffusion-mdlm-v0.1",
        revision="a284e895a6248256baf2f60502e54aba61b24c1a",
        licence="Apache-2.0",
        note="code, small enough for a CPU",
        shape=published_shapes.QWEN2_0_5B,
    ),
    CatalogueEntry(
        name="tiny-a2d-0.6b",
        repository="dllm-hub/Qwen3-0.6B-diffusion-mdlm-v0.1",
        revision="c8d24a3f4adaeef46881b450e1bf7d1005203bd7",
        licence="Apache-2.0",
        note="general, small enough for a CPU",
        shape=published_shapes.QWEN3_0_6B,
    ),
    CatalogueEntry(
        name="llada-8b",
        repository="GSAI-ML/LLaDA-8B-Instruct",
        revision="08b83a6feb34df1a6011b80c3c00c7563e963b07",
        licence="MIT",
        note="general, 4096 tokens",
        shape=published_shapes.LLADA,
    ),
    CatalogueEntry(
        name="llada-1.5-8b",
        repository="GSAI-ML/LLaDA-1.5",
        revision="43716255dd5ce01192bcfc073a2557e969a2f271",
        licence="MIT",
        note="general, tuned by preferences",
        shape=published_shapes.LLADA,
    ),
    CatalogueEntry(
        name="illada-8b",
        repository="GSAI-ML/iLLaDA-8B-Base",
        revision="a1b5b5f8a31a3854a46205ee584178c04b45ec9a",
        licence="Apache-2.0",
        note="general, 8192 tokens; not tuned to instructions",
        shape=published_shapes.ILLADA,
    ),
    CatalogueEntry(
        name="dream-7b",
        repository="Dream-org/Dream-v0-Instruct-7B",
        revision="05334cb9faaf763692dcf9d8737c642be2b2a6ae",
        licence="Apache-2.0",
        note="general",
        shape=published_shapes.QWEN2_7B,
    ),
    CatalogueEntry(
        name="llada-moe-7b",
        repository="inclusionAI/LLaDA-MoE-7B-A1B-Instruct",
        revision="783d3467f108d28ac0a78d3e41af16ab05cabd8d",
        licence="Apache-2.0",
        note="general, 1.4B of 7B active",
        shape=published_shapes.LLADA_MOE,
    ),
    CatalogueEntry(
        name="stable-diffcoder-8b",
        repository="ByteDance-Seed/Stable-DiffCoder-8B-Instruct",
        revision="10cdaf9b486f1cf0273ad968459dbe2d21a1482a",
        licence="MIT",
        note="code, 8192 tokens; sees no suffix",
        shape=published_shapes.SEED_CODER,
    ),
    CatalogueEntry(
        name="llada2.1-mini",
        repository="inclusionAI/LLaDA2.1-mini",
        revision="bbb5715c881500b34234071e68dbf38c3d657c4e",
        licence="Apache-2.0",
        note="general, 1.4B of 16B active; sees no suffix",
        shape=published_shapes.LLADA2_MINI,
    ),
    CatalogueEntry(
        name="llada2.0-mini",
        repository="inclusionAI/LLaDA2.0-mini",
        revision="d23215abc5f5675daf171f6739d0386eab53f712",
        licence="Apache-2.0",
        note="general, 1.4B of 16B active; sees no suffix",
        shape=published_shapes.LLADA2_MINI,
    ),
    CatalogueEntry(
        name="sdar-30b-b32",
        repository="JetLM/SDAR-30B-A3B-Chat-b32",
        revision="c351bbc37d240aa6871f167e8f92d694281b0c22",
        licence="MIT",
        note="general, 3.3B of 30B active; sees no suffix",
        shape=published_shapes.QWEN3_30B,
    ),
    CatalogueEntry(
        name="sdar-8b",
        repository="JetLM/SDAR-8B-Chat",
        revision="ac4528d2c076b04e02a03e6f430efa4385331ce8",
        licence="Apache-2.0",
        note="general; sees no suffix",
        shape=published_shapes.QWEN3_8B,
    ),
    CatalogueEntry(
        name="fast-dllm-v2-7b",
        repository="Efficient-Large-Model/Fast_dLLM_v2_7B",
        revision="0661abf5f9f0ee338970d091052a26c8efa51974",
        licence="Apache-2.0",
        note="general; sees no suffix",
        shape=published_shapes.QWEN2_7B,
    ),
    CatalogueEntry(
        name="fast-dllm-v2-1.5b",
        repository="Efficient-Large-Model/Fast_dLLM_v2_1.5B",
        revision="25093b6f63300adfd57f72145083c8a528fe4f16",
        licence="Apache-2.0",
        note="general; sees no suffix",
        shape=published_shapes.QWEN2_1_5B,
    ),
    CatalogueEntry(
        name="dreamreasoner-8b",
        repository="Dream-org/DreamReasoner-8B",
        revision="ed62b1d2c82ccd234b05ed2463b4c0ee640f2068",
        licence="Apache-2.0",
        note="reasoning; sees no suffix",
        shape=published_shapes.QWEN3_8B,
    ),
    CatalogueEntry(
        name="qwen2.5-coder-0.5b",
        repository="Qwen/Qwen2.5-Coder-0.5B",
        revision="8123ea2e9354afb7ffcc6c8641d1b2f5ecf18301",
        licence="Apache-2.0",
        note="guides what began as a Qwen2.5: Dream, DreamOn, DiffuCoder, open-dcoder",
        shape=published_shapes.QWEN2_0_5B,
        roles=("guide",),
    ),
    CatalogueEntry(
        name="qwen3-0.6b",
        repository="Qwen/Qwen3-0.6B",
        revision="c1899de289a04d12100db370d81485cdf75e47ca",
        licence="Apache-2.0",
        note="guides what began as a Qwen3: SDAR, DreamReasoner, Tiny-A2D",
        shape=published_shapes.QWEN3_0_6B,
        roles=("guide",),
    ),
)

CATALOGUE = {entry.name: entry for entry in _ENTRIES}
"""The entries by short name: models in the order in which `models recommend` prefers them, code models that infill best
first; then guides.
"""
