"""How to denoise: every option of the decoder, its default, and what it accepts. Plain values, no torch.

Which published method an option belongs to, and who wrote it down first, is in `dlm_model.methods`.
"""

from dataclasses import dataclass
from typing import Literal, get_args

Selection = Literal["confidence", "margin", "entropy", "leftmost", "random", "learned"]
Schedule = Literal["linear", "cosine", "threshold", "entropy_bound", "factor", "klass", "local_leap"]
Remasking = Literal["none", "remdm", "token_to_mask", "edit"]
Grammar = Literal["none", "json"]
LengthPolicy = Literal["ladder", "search", "probe"]
CachePolicyName = Literal["interval", "vicinity", "delayed", "similarity"]

SELECTIONS: tuple[str, ...] = get_args(Selection)
SCHEDULES: tuple[str, ...] = get_args(Schedule)
REMASKINGS: tuple[str, ...] = get_args(Remasking)
GRAMMARS: tuple[str, ...] = get_args(Grammar)
LENGTH_POLICIES: tuple[str, ...] = get_args(LengthPolicy)
CACHE_POLICIES: tuple[str, ...] = get_args(CachePolicyName)

SELF_GUIDE = "self"
"""Value of `guide` that makes a model with a causal prompt its own supervisor."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DecodeOptions:
    """How to denoise one canvas. Every default of the decoder lives here.

    Attributes:
        num_steps: The steps dial: the most denoise steps, whatever the schedule, and what latency follows.
        schedule: How many positions a step commits. `linear` and `cosine` spread them over the steps left. The others
            add to that whatever is certain: `threshold` all at or above `confidence_threshold`; `entropy_bound` the
            largest set whose summed entropies minus the largest stay within `entropy_bound`; `factor` as many as keep
            (n + 1)(1 − confidence) below `factor`; `klass` those at the threshold that have stopped changing;
            `local_leap` those at the threshold and, near them, those at `leap_threshold`.
        selection: Which positions a step prefers: highest top-1 probability (`confidence`), largest gap between
            the two best (`margin`), lowest entropy (`entropy`), the first one (`leftmost`), any (`random`), or what the
            checkpoint has learned to prefer (`learned`). None leaves it to the model, which may name what suits it.
        confidence_threshold: Probability at which `threshold`, `klass` and `local_leap` commit.
        entropy_bound: γ of `entropy_bound`, in nats.
        factor: f of `factor`.
        stability_bound: KL divergence from step to step, in nats, below which `klass` takes a position for stable.
        leap_threshold: Probability at which `local_leap` commits near a certain position.
        credit: Weight α of what earlier steps predicted (CreditDecoding); 0 forgets them.
        early_commit: Mean gap between the two best logits above which all that is left is committed at once (Prophet);
            two thirds of it after a third of the steps, one third after two. None never does; the paper's is 7.5.
        remasking: What is done about committed tokens that look wrong: nothing, reopen some at random (`remdm`),
            reopen those that became improbable (`token_to_mask`), or put what the model is now sure of (`edit`).
        remask_rate: Most of the committed positions that `remdm` reopens per step, as a share.
        remask_threshold: Probability below which `token_to_mask` reopens.
        edit_threshold: Probability above which `edit` puts another token.
        max_revisions: Positions per candidate that may be reopened or replaced, whatever does it.
        suffix_guidance: Weight of what the suffix adds to the prediction: 1 takes the model as it is, 0 ignores the
            suffix, above 1 exaggerates it at the price of a second forward.
        guide: A causal model that checks what was committed: the folder of its checkpoint, or `self` for a model whose
            prompt is causal; None checks nothing.
        guide_agreement: The guide objects to a token less probable than this share of its own best.
        syntax_tries: How often a finished draft that does not parse is reopened where it breaks.
        grammar: What the middle must be, whatever the model says: `json` is one JSON value.
        length_policy: How a model that cannot resize finds the length: rungs around the expected one (`ladder`),
            climbing to the length it is surest of (`search`), or the best of many seen in one forward (`probe`).
        block_add_threshold: Share of a block that is committed before the next one begins, in models that write block
            by block. 1 fills one block after the other; below it they overlap (D2F, whose default is 0.1), and what has
            begun early is committed where the schedule is certain. Other models heed neither this nor the next.
        decoded_token_threshold: Share of a block that is committed before the next one has a quota to fill.
        temperature: 0 takes the most probable token; above 0 samples.
        top_p: Nucleus kept when sampling.
        seed: Same seed, same request, same device: same text, unless a deadline cuts it.
        num_candidates: Alternatives decoded together in one batch. Of a model that finds the length itself, those
            after the first sample at a temperature of 0.7 or more; of any other, they differ by length, and there may
            be fewer.
        max_middle_tokens: The canvas never grows beyond this.
        middle_length: Exact length in tokens, when it is known (diagnosis and tests only).
        warm_start: Confidence from which tokens of an earlier draft, which a request may bring along, are kept as
            committed; the others are guessed anew. None ignores earlier drafts.
        deadline_ms: Wall-clock budget from the start of the request; the best draft by then is the answer.
        prompt_refresh_interval: Steps between two recomputations of the prompt's keys and values. 1 recomputes
            everything in every step (exact); 0 computes the prompt once and never refreshes it. Models with a causal
            prompt, whose cache is exact, heed neither this nor the next three.
        cache_policy: What the other steps recompute: the canvas (`interval`), also `vicinity` prompt tokens on both
            sides of it (`vicinity`), only what is masked or newly committed (`delayed`), or what has drifted most
            (`similarity`).
        vicinity: Prompt tokens on each side that `vicinity` recomputes.
        refresh_share: Share of the prompt's, and of the canvas's, tokens that `similarity` recomputes per layer.
    """

    num_steps: int = 64
    schedule: Schedule = "threshold"
    selection: Selection | None = None
    confidence_threshold: float = 0.9
    entropy_bound: float = 0.1
    factor: float = 1.0
    stability_bound: float = 0.01
    leap_threshold: float = 0.75
    credit: float = 0.0
    early_commit: float | None = None
    remasking: Remasking = "none"
    remask_rate: float = 0.02
    remask_threshold: float = 0.3
    edit_threshold: float = 0.9
    max_revisions: int = 32
    suffix_guidance: float = 1.0
    guide: str | None = None
    guide_agreement: float = 0.5
    syntax_tries: int = 0
    grammar: Grammar = "none"
    length_policy: LengthPolicy = "ladder"
    block_add_threshold: float = 1.0
    decoded_token_threshold: float = 0.95
    temperature: float = 0.0
    top_p: float = 0.95
    seed: int = 0
    num_candidates: int = 1
    max_middle_tokens: int = 256
    middle_length: int | None = None
    warm_start: float | None = None
    deadline_ms: float | None = None
    prompt_refresh_interval: int = 8
    cache_policy: CachePolicyName = "interval"
    vicinity: int = 16
    refresh_share: float = 0.25

    def is_prefill(self, step: int) -> bool:
        """Whether the prompt is recomputed in this step, counted from 0."""
        return step == 0 or (self.prompt_refresh_interval > 0 and step % self.prompt_refresh_interval == 0)

    def __post_init__(self) -> None:
        """Refuse values no decoder can honour.

        Raises:
            ValueError: naming the option and what it accepts.
        """
        self._require_known("schedule", SCHEDULES)
        if self.selection is not None:
            self._require_known("selection", SELECTIONS)
        self._require_known("remasking", REMASKINGS)
        self._require_known("grammar", GRAMMARS)
        self._require_known("length_policy", LENGTH_POLICIES)
        self._require_known("cache_policy", CACHE_POLICIES)
        for name in (
            "confidence_threshold",
            "leap_threshold",
            "edit_threshold",
            "guide_agreement",
            "top_p",
            "refresh_share",
        ):
            value = getattr(self, name)
            require(0 < value <= 1, name, "in (0, 1]", value)
        for name in ("remask_rate", "remask_threshold", "block_add_threshold", "decoded_token_threshold"):
            value = getattr(self, name)
            require(0 <= value <= 1, name, "in [0, 1]", value)
        amounts = ("entropy_bound", "factor", "stability_bound", "credit", "max_revisions", "syntax_tries", "vicinity")
        for name in amounts:
            value = getattr(self, name)
            require(0 <= value < float("inf"), name, "0 or more", value)
        for name in ("num_steps", "max_middle_tokens"):
            value = getattr(self, name)
            require(value >= 1, name, "1 or more", value)
        is_share = self.warm_start is None or 0 <= self.warm_start <= 1
        require(is_share, "warm_start", "in [0, 1]", self.warm_start)
        for name in ("deadline_ms", "early_commit"):
            value = getattr(self, name)
            require(value is None or value > 0, name, "above 0", value)
        require(0 <= self.suffix_guidance <= 10, "suffix_guidance", "from 0 to 10", self.suffix_guidance)
        is_temperature = self.temperature == 0 or 0.01 <= self.temperature <= 100
        require(is_temperature, "temperature", "0, or from 0.01 to 100", self.temperature)
        require(0 <= self.seed < 2**63, "seed", "from 0 to 2**63 - 1", self.seed)
        require(1 <= self.num_candidates <= 8, "num_candidates", "from 1 to 8", self.num_candidates)
        is_length = self.middle_length is None or 1 <= self.middle_length <= self.max_middle_tokens
        require(is_length, "middle_length", "from 1 to max_middle_tokens", self.middle_length)
        interval = self.prompt_refresh_interval
        require(interval >= 0, "prompt_refresh_interval", "0 or more", interval)

    def _require_known(self, name: str, values: tuple[str, ...]) -> None:
        value = getattr(self, name)
        require(value in values, name, f"one of {', '.join(values)}", value)


def require(is_valid: bool, option: str, accepted: str, value: object) -> None:
    """Refuse a value.

    Raises:
        ValueError: naming the option and what it accepts.
    """
    if not is_valid:
        raise ValueError(f"{option} must be {accepted}, got {value!r}")
