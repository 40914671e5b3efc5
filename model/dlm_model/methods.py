"""Every decoding method: one table, which the command line lists, the benches run, and the tests go through.

A method is no more than some options of `DecodeOptions`; methods of different kinds combine. Plain values, no torch.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from dlm_model.decode_options import NO_GUIDE, SELF_GUIDE, DecodeOptions

Kind = Literal[
    "schedule",
    "selection",
    "credit",
    "early commit",
    "remasking",
    "guide",
    "guidance",
    "candidates",
    "syntax",
    "length",
    "anchors",
    "blocks",
]


@dataclass(frozen=True, slots=True)
class Method:
    """One published way to decode.

    Attributes:
        name: As the field calls it.
        kind: Methods of one kind exclude each other; those of different kinds combine.
        line: What it does, in one line.
        source: The paper, or the repository whose code it follows.
        options: Switch it on; everything else keeps its default. None at all where
            something else does, as the line says.
    """

    name: str
    kind: Kind
    line: str
    source: str
    options: Mapping[str, object]

    @property
    def decode_options(self) -> DecodeOptions:
        """The defaults with this method switched on."""
        return DecodeOptions(**self.options)  # type: ignore[arg-type]


METHODS = (
    Method(
        "linear",
        "schedule",
        "the same number of positions in every step",
        "LLaDA, arXiv 2502.09992",
        {"schedule": "linear"},
    ),
    Method(
        "cosine",
        "schedule",
        "few positions first, when little is known, and many last",
        "MaskGIT, arXiv 2202.04200",
        {"schedule": "cosine"},
    ),
    Method(
        "threshold",
        "schedule",
        "all positions whose confidence reaches a threshold",
        "Fast-dLLM, arXiv 2505.22618",
        {"schedule": "threshold"},
    ),
    Method(
        "factor",
        "schedule",
        "the more positions at once, the more certain each has to be",
        "Fast-dLLM, arXiv 2505.22618",
        {"schedule": "factor"},
    ),
    Method(
        "entropy-bounded",
        "schedule",
        "the largest set whose joint uncertainty stays within a bound",
        "EB-Sampler, arXiv 2505.24857",
        {"schedule": "entropy_bound"},
    ),
    Method(
        "KLASS",
        "schedule",
        "certain positions whose distribution has stopped changing",
        "github.com/shkim0116/KLASS",
        {"schedule": "klass"},
    ),
    Method(
        "LocalLeap",
        "schedule",
        "less certain positions too, if they are near certain ones",
        "LocalLeap, arXiv 2510.07081",
        {"schedule": "local_leap"},
    ),
    Method(
        "APD",
        "schedule",
        "the leftmost run on which the model and its causal guide agree, whatever is selected",
        "adaptive parallel decoding, arXiv 2506.00413",
        {"schedule": "agreement", "agreement_threshold": 0.0, "guide": SELF_GUIDE},
    ),
    Method(
        "confidence",
        "selection",
        "prefers positions by the probability of their best token",
        "LLaDA, arXiv 2502.09992",
        {"selection": "confidence"},
    ),
    Method(
        "margin",
        "selection",
        "prefers positions by the gap between their two best tokens",
        "Dream, arXiv 2508.15487",
        {"selection": "margin"},
    ),
    Method(
        "entropy",
        "selection",
        "prefers positions by the entropy of their distribution",
        "Dream, arXiv 2508.15487",
        {"selection": "entropy"},
    ),
    Method(
        "leftmost",
        "selection",
        "prefers the first position, then by confidence",
        "LLaDA's blocks, of length one, arXiv 2502.09992",
        {"selection": "leftmost"},
    ),
    Method("random", "selection", "picks positions at random", "MDLM, arXiv 2406.07524", {"selection": "random"}),
    Method(
        "learned order",
        "selection",
        "prefers positions by a small trained head, if the checkpoint has one",
        "after DCoLT, github.com/maple-research-lab/LLaDOU",
        {"selection": "learned"},
    ),
    Method(
        "CreditDecoding",
        "credit",
        "trusts a token more the longer it has been the best one",
        "arXiv 2510.06133",
        {"credit": 0.7},
    ),
    Method(
        "Prophet",
        "early commit",
        "commits all remaining positions once the best tokens are far ahead",
        "github.com/pixeli99/Prophet",
        {"early_commit": 7.5},
    ),
    Method(
        "ReMDM",
        "remasking",
        "reopens a few committed positions at random",
        "github.com/kuleshov-group/remdm",
        {"remasking": "remdm"},
    ),
    Method(
        "token-to-mask",
        "remasking",
        "reopens committed tokens that became improbable",
        "Remask, don't replace, arXiv 2604.18738",
        {"remasking": "token_to_mask"},
    ),
    Method(
        "P2",
        "remasking",
        "keeps what the model is surest of: masks take the places of less certain tokens",
        "path planning, arXiv 2502.03540",
        {"schedule": "linear", "selection": "confidence", "remasking": "path_planning"},
    ),
    Method(
        "editing",
        "remasking",
        "replaces committed tokens where the model is sure of another",
        "LLaDA2.1's token-to-token editing, arXiv 2602.08676",
        {"remasking": "edit"},
    ),
    Method(
        "no guide", "guide", "only the diffusion model, without a guide", "LLaDA, arXiv 2502.09992", {"guide": NO_GUIDE}
    ),
    Method(
        "guided diffusion",
        "guide",
        "a causal model reads the draft and commits its beginning, up to what it finds improbable",
        "FlashDLM, github.com/ZhanqiuHu/flash-dlm-experimental",
        {
            "guide": SELF_GUIDE,
            "guide_role": "check",
            "guide_agreement": 1.0,
            "schedule": "agreement",
            "agreement_threshold": 0.0,
        },
    ),
    Method(
        "blend",
        "guide",
        "a causal model has a say in every prediction, and ranks candidates",
        "APD's product of experts, arXiv 2506.00413",
        {"guide": SELF_GUIDE, "schedule": "threshold"},
    ),
    Method(
        "suffix guidance",
        "guidance",
        "exaggerates what the suffix adds to the prediction, if the model sees it",
        "classifier-free guidance, arXiv 2207.12598",
        {"suffix_guidance": 1.5},
    ),
    Method(
        "reranking",
        "candidates",
        "the likeliest of three between prefix and suffix, as judged by a causal guide, if any",
        "InCoder, arXiv 2204.05999",
        {"num_candidates": 3},
    ),
    Method(
        "syntax guide",
        "syntax",
        "reopens finished drafts where they do not parse",
        "this project",
        {"syntax_tries": 3},
    ),
    Method(
        "JSON",
        "syntax",
        "forces the middle to be one JSON value, of which nothing is revised",
        "this project; cf. arXiv 2508.10111",
        {"grammar": "json"},
    ),
    Method(
        "length ladder",
        "length",
        "decodes several lengths side by side, if the model cannot resize",
        "this project",
        {"length_policy": "ladder"},
    ),
    Method(
        "length search",
        "length",
        "climbs to the length that the model is surest of, if it cannot resize",
        "CAL, arXiv 2602.00476",
        {"length_policy": "search"},
    ),
    Method(
        "length probe",
        "length",
        "looks at many lengths in one forward and decodes the best, if the model cannot resize",
        "after LR-DLLM, arXiv 2602.07546",
        {"length_policy": "probe"},
    ),
    Method(
        "expand and delete",
        "length",
        "the model makes masks more or fewer itself; on where the checkpoint has tokens for it",
        "DreamOn, github.com/DreamLM/DreamOn",
        {},
    ),
    Method(
        "in-place anchors",
        "anchors",
        "fills around text that is there from the first step; by --keep and --closing",
        "ICE, arXiv 2508.10736",
        {},
    ),
    Method(
        "D2F",
        "blocks",
        "begins the next block before the last one is full, if the model writes block by block",
        "Discrete Diffusion Forcing, arXiv 2508.09192",
        {"block_add_threshold": 0.1},
    ),
)
