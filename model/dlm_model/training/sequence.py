"""One training sequence: tokens, labels, and which tokens see which.

Every token belongs to a group, and the groups say what it sees:

    PROMPT           the prompt before it, left to right
    canvas, odd      its whole canvas, the suffix that belongs to it, and the prompt left of its hole
    suffix, even     its own suffix before it, left to right
    PADDING          nothing that anybody reads

A model whose prompt sees the canvas has everything in one canvas.
"""

from dataclasses import dataclass, field

from dlm_model.training.context_weights import ContextWeighting

PADDING = -1
PROMPT = 0
WHOLE = 1
IGNORED = -100
PROMPT_PROBABILITY = 0.2
PROMPT_WEIGHT = 0.3


@dataclass(slots=True)
class Example:
    """A sequence under construction; all lists are of length T.

    Attributes:
        token_ids: What stands there.
        labels: What is to be predicted; `IGNORED` where nothing is.
        weights: Of the labels; 0 where there is none.
        position_ids: Where the token stands in the text.
        groups: See the module.
        num_prompt_seen: How many tokens of the prompt a canvas token sees; 0 for all others.
    """

    token_ids: list[int] = field(default_factory=list)
    labels: list[int] = field(default_factory=list)
    weights: list[float] = field(default_factory=list)
    position_ids: list[int] = field(default_factory=list)
    groups: list[int] = field(default_factory=list)
    num_prompt_seen: list[int] = field(default_factory=list)
    _group: int = WHOLE
    _position: int = 0
    _num_prompt_seen: int = 0

    @property
    def end(self) -> int:
        """Where the next token would stand."""
        return self._position

    def open(self, group: int, position: int, num_prompt_seen: int = 0) -> None:
        """Let what is appended from now on belong to a group and stand from `position` on."""
        self._group, self._position, self._num_prompt_seen = group, position, num_prompt_seen

    def show(self, token_ids: list[int]) -> None:
        """Append tokens that stand there for the model to read."""
        for token_id in token_ids:
            self._append(token_id, IGNORED, 0.0)

    def hide(self, mask_token_id: int, label: int, weight: float = 1.0) -> None:
        """Append one mask that the model shall replace with `label`."""
        self._append(mask_token_id, label, weight)

    def reweight(self, weighting: ContextWeighting) -> None:
        """Weight the masks by what is visible around them."""
        factors = weighting([label == IGNORED for label in self.labels])
        self.weights = [weight * factor for weight, factor in zip(self.weights, factors, strict=True)]

    def teach(self, index: int, weight: float) -> None:
        """Let the model predict a token that is shown: in a causal prompt nothing before it sees it."""
        self.labels[index] = self.token_ids[index]
        self.weights[index] = weight

    def _append(self, token_id: int, label: int, weight: float) -> None:
        self.token_ids.append(token_id)
        self.labels.append(label)
        self.weights.append(weight)
        self.position_ids.append(self._position)
        self.groups.append(self._group)
        self.num_prompt_seen.append(self._num_prompt_seen)
        self._position += 1
