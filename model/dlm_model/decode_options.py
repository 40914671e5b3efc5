"""How to denoise: every option of the decoder, declared once. Plain values, no torch.

The published method that an option belongs to, and its source, are in `dlm_model.methods`.
"""

from dataclasses import dataclass
from typing import Literal

from dlm_model.option import ABOVE_ZERO, ANY_AMOUNT, ANY_COUNT, PROBABILITY, SHARE, Range, option, options_of

Selection = Literal["confidence", "margin", "entropy", "leftmost", "random", "learned"]
Schedule = Literal["linear", "cosine", "threshold", "entropy_bound", "factor", "klass", "local_leap", "agreement"]
GuideRole = Literal["blend", "check"]
Remasking = Literal["none", "remdm", "token_to_mask", "path_planning", "edit"]
Grammar = Literal["none", "json"]
LengthPolicy = Literal["ladder", "search", "probe"]
CachePolicyName = Literal["interval", "vicinity", "delayed", "similarity"]

SELF_GUIDE = "self"
"""Value of `guide` for the guide that came with the model, or else for the model itself if its prompt is causal."""
NO_GUIDE = "none"
"""Value of `guide` for no guide at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DecodeOptions:
    """How to denoise one canvas: one field per option, with its default, its meaning, and the values it accepts.

    The meanings are shown to users; the comments are for readers of the decoder.
    """

    # Holds for every schedule: the steps dial, which sets the latency.
    num_steps: int = option(
        64, "maximum number of denoise steps; trades latency for quality", within=Range(1, 4096), aliases=("steps",)
    )
    # `linear` and `cosine` spread the remaining masks over the remaining steps. The others add what is certain:
    # `threshold` all positions at or above `confidence_threshold`; `entropy_bound` the largest set whose summed
    # entropies minus the largest stay within `entropy_bound`; `factor` as many as keep (n + 1)(1 − confidence) below
    # `factor`; `klass` those at the threshold that have stopped changing; `local_leap` those at the threshold and, near
    # them, those at `leap_threshold`; `agreement` the leftmost run on which the model and its guide agree, up to the
    # first token that both together find improbable, or what `threshold` commits where no guide has a say.
    schedule: Schedule | None = option(
        None,
        "how many positions a step commits: `linear`, `cosine`, `threshold`, `factor`, `entropy_bound`, `klass`, "
        "`local_leap`, `agreement`; `null` is `agreement` if there is a guide and `selection` is unset or "
        "`leftmost`, and `threshold` otherwise",
    )
    # Highest top-1 probability (`confidence`), largest gap between the two best (`margin`), lowest entropy
    # (`entropy`), the first (`leftmost`), any (`random`), or what the checkpoint has learned to prefer (`learned`).
    selection: Selection | None = option(
        None,
        "which positions a step commits first: `confidence`, `margin`, `entropy`, `leftmost`, `random`, `learned`; "
        "`null` is the one that the model's config or family specifies, or else `confidence`",
    )
    confidence_threshold: float = option(
        0.9,
        "probability at which `threshold`, `klass` and `local_leap` commit a position",
        within=PROBABILITY,
        aliases=("threshold",),
    )
    entropy_bound: float = option(0.1, "bound γ of `entropy_bound`, in nats", within=ANY_AMOUNT)
    factor: float = option(
        1.0, "`factor` commits n positions while (n + 1)(1 − confidence) stays below this value", within=ANY_AMOUNT
    )
    stability_bound: float = option(
        0.01, "KL divergence between steps, in nats, below which `klass` trusts a position", within=ANY_AMOUNT
    )
    leap_threshold: float = option(
        0.75, "probability at which `local_leap` commits a position near a certain one", within=PROBABILITY
    )
    # Below one half, the other tokens together are more probable. 0 is APD as published.
    agreement_threshold: float = option(
        0.5,
        "`agreement` stops before a token that is less probable than this, unless it has committed none yet",
        within=SHARE,
    )
    # α of CreditDecoding; 0 switches it off.
    credit: float = option(
        0.0, "weight of the predictions of earlier steps (CreditDecoding); the paper uses 0.7", within=ANY_AMOUNT
    )
    # The gap between the two best logits; two thirds of this value suffice once a third of what is to be decoded is
    # filled, one third of it after two thirds. In models that write block by block, every block begins anew.
    early_commit: float | None = option(
        None,
        "mean logit gap at which all remaining positions are committed (Prophet); the paper uses 7.5",
        within=ABOVE_ZERO,
    )
    # Reopen some at random (`remdm`), or those that became improbable (`token_to_mask`); commit masks that the model is
    # surer of in their place (`path_planning`, P2), or put there what it is now sure of (`edit`).
    remasking: Remasking = option(
        "none",
        "how committed tokens are revised: `remdm` reopens some at random, `token_to_mask` reopens improbable ones, "
        "`path_planning` puts masks that outrank them in their place, `edit` replaces them",
    )
    remask_rate: float = option(
        0.02, "largest share of committed positions that `remdm` reopens in a step", within=SHARE
    )
    remask_threshold: float = option(
        0.3, "probability below which `token_to_mask` reopens a token, unless no other is better", within=SHARE
    )
    edit_threshold: float = option(
        0.9, "probability at which `edit` replaces a committed token with another", within=PROBABILITY
    )
    # Tokens of an earlier draft that are taken back after the first step do not count: see `warm_start`.
    max_revisions: int = option(
        32, "how many positions of a candidate may be reopened or replaced, over all steps", within=ANY_AMOUNT
    )
    # 1 takes the model as it is, 0 ignores the suffix.
    suffix_guidance: float = option(
        1.0,
        "weight of the suffix; values above 1 exaggerate it, at the cost of a second forward per step",
        within=Range(0, 10),
    )
    guide: str | None = option(
        None,
        "causal model that gives a second opinion on the draft: a name from `dlm-lsp models list`, the path of a "
        "checkpoint folder, which must contain a slash, `self` for the model's own guide or else the model itself, or "
        "`none`; `null` is the guide that came with the model, if any",
    )
    # Have a say in every prediction (APD), or keep improbable tokens from being committed (FlashDLM).
    guide_role: GuideRole = option(
        "blend",
        "what the guide does: `blend` its predictions with the model's, or `check` tokens before they are committed",
    )
    # Of several candidates, the second is decoded without the guide and the third by it alone: see `length.open_rows`.
    guide_weight: float = option(0.5, "the guide's share in a blend", within=SHARE)
    guide_agreement: float = option(
        0.5,
        "a checking guide rejects tokens that are less probable than this share of its best token's probability",
        within=PROBABILITY,
    )
    syntax_tries: int = option(
        0, "how many times a finished draft that does not parse is reopened where it breaks", within=ANY_AMOUNT
    )
    grammar: Grammar = option("none", "`json` forces the middle to be one JSON value; none of it is revised")
    # Rungs around the expected length (`ladder`), climbing to the one that the model is surest of (`search`), or the
    # best of many seen in one forward (`probe`).
    length_policy: LengthPolicy = option(
        "ladder", "how the length is found for a model that cannot resize: `ladder`, `search`, `probe`"
    )
    # At 1, one block is filled after the other. Below 1 they overlap, and a block that has begun early commits only
    # what the schedule is certain of. Models that do not write block by block ignore this option and the next.
    block_add_threshold: float = option(
        1.0,
        "for models that write block by block: the share of a block that is committed before the next one begins; D2F "
        "uses 0.1",
        within=SHARE,
    )
    decoded_token_threshold: float = option(
        0.95,
        "for models that write block by block: the share of a block that is committed before the next one gets a quota "
        "of its own",
        within=SHARE,
    )
    # Logits divided by anything smaller overflow.
    temperature: float = option(
        0.0, "0 takes the most probable token; above 0, tokens are sampled", within=Range(0.01, 100, includes_zero=True)
    )
    top_p: float = option(0.95, "probability mass of the nucleus that tokens are sampled from", within=PROBABILITY)
    # Unless a deadline ends the run.
    seed: int = option(
        0, "the same seed, request and device give the same text", within=Range(0, 2**63 - 1), aliases=("random_seed",)
    )
    # In one batch. Set by a request, never by the settings of all requests. With a model that finds the length itself,
    # those after the first are decoded without the guide, by the guide alone, or sampled at a temperature of 0.7 or
    # more; with any other model they differ in length, and there may be fewer.
    num_candidates: int = option(1, "number of candidates decoded together", within=Range(1, 8), aliases=("n",))
    # The canvas may be longer than that: beside them it holds the words that both boundaries take over.
    max_middle_tokens: int = option(
        256,
        "maximum number of tokens filled in, not counting texts that the middle must contain",
        within=ANY_COUNT,
        aliases=("max_tokens", "max_completion_tokens"),
    )
    # The earlier draft is `InfillRequest.prior`; its other tokens are guessed again.
    warm_start: float | None = option(
        None,
        "begin with an earlier draft that almost matches the document, and keep its tokens from this confidence on; "
        "`null` begins with masks only",
        within=SHARE,
    )
    # Wall-clock time from the start of the request.
    deadline_ms: float | None = option(None, "time limit, after which you get the best draft so far", within=ABOVE_ZERO)
    # Concerns the prompt's keys and values. Models with a causal prompt, whose cache is exact, ignore this option and
    # the next four.
    prompt_refresh_interval: int = option(
        8,
        "steps between two recomputations of the prompt; 1 is exact, 0 never recomputes it",
        within=ANY_AMOUNT,
        aliases=("refresh_interval",),
    )
    cache_policy: CachePolicyName = option(
        "interval",
        "what is computed in the steps between two recomputations of the prompt: `interval` the canvas, `vicinity` "
        "also the prompt beside it, `delayed` what is masked or newly committed, `similarity` what has drifted most",
    )
    vicinity: int = option(
        16,
        "prompt tokens on each side of the canvas that `vicinity` recomputes; with a `driftBound`, also those on each "
        "side of an edit",
        within=ANY_AMOUNT,
    )
    refresh_share: float = option(
        0.25, "share of the prompt and of the canvas that `similarity` recomputes in each layer", within=PROBABILITY
    )
    # Neither `similarity`, nor a length that is looked for, nor `suffix_guidance` begins so. See `prompt_reuse`.
    drift_bound: float | None = option(
        None,
        "for models whose prompt sees the canvas: reuse the prompt cache of the document's last request while its "
        "values differ by at most this much (1 − cosine); `null` computes every prompt from scratch",
        within=ANY_AMOUNT,
    )
    middle_length: int | None = None
    """Exact length in tokens, for benches and tests that know it; no option, since no user can know it."""

    def __post_init__(self) -> None:
        """Refuse values that no decoder can honour.

        Raises:
            ValueError: naming the option and what it accepts.
        """
        for each in options_of(DecodeOptions).values():
            if problem := each.problem_with(getattr(self, each.name)):
                raise ValueError(f"{each.name} {problem}")
        is_length = self.middle_length is None or 1 <= self.middle_length <= self.max_middle_tokens
        require(is_length, "middle_length", "from 1 to max_middle_tokens", self.middle_length)


@dataclass(frozen=True, slots=True, kw_only=True)
class DecodePlan(DecodeOptions):
    """The options of one request, with nothing left to the model any more: `Decoder.resolve` makes it."""

    schedule: Schedule = "threshold"
    selection: Selection = "confidence"
    guide: str = NO_GUIDE

    @property
    def is_blended(self) -> bool:
        """Whether a guide has a say in predictions."""
        return self.guide != NO_GUIDE and self.guide_role == "blend"


def require(is_valid: bool, name: str, accepted: str, value: object) -> None:
    """Refuse a value.

    Raises:
        ValueError: naming the field and what it accepts.
    """
    if not is_valid:
        raise ValueError(f"{name} must be {accepted}, got {value!r}")
