"""What may be configured, and what is in force: `ClientOptions` (as sent) → `Settings` (resolved, total).

Names are one vocabulary everywhere, camelCase where JSON carries them and snake_case in TOML: `numSteps`, `num_steps`.
A bad option is reported by name and replaced by its default; it never stops the daemon. Knows no protocol: the
language server hands in the objects that a client sent, the command line hands in its flags.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import NamedTuple, get_type_hints

from dlm_model.decode_options import CachePolicyName, Grammar, LengthPolicy, Remasking, Schedule, Selection
from dlm_model.precision import PRECISIONS, Precision
from dlm_model.request import DecodeOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientOptions:
    """One source's options; None means that this source does not say. `Settings` and `DecodeOptions` explain each.

    Lists of several sources add up, so that no source can take back what another one excluded.
    """

    enabled: bool | None = None
    disabled_languages: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    model: str | None = None
    device: str | None = None
    precision: Precision | None = None
    preload: bool | None = None
    idle_unload_minutes: int | None = None
    stats: bool | None = None
    drafts: bool | None = None
    draft_interval_ms: int | None = None
    debounce_ms: int | None = None
    candidates: int | None = None
    context_files: bool | None = None
    max_prompt_tokens: int | None = None
    max_document_chars: int | None = None
    require_valid: bool | None = None
    num_steps: int | None = None
    schedule: Schedule | None = None
    selection: Selection | None = None
    confidence_threshold: float | None = None
    entropy_bound: float | None = None
    factor: float | None = None
    stability_bound: float | None = None
    leap_threshold: float | None = None
    credit: float | None = None
    early_commit: float | None = None
    remasking: Remasking | None = None
    remask_rate: float | None = None
    remask_threshold: float | None = None
    edit_threshold: float | None = None
    max_revisions: int | None = None
    suffix_guidance: float | None = None
    guide: str | None = None
    guide_agreement: float | None = None
    syntax_tries: int | None = None
    grammar: Grammar | None = None
    length_policy: LengthPolicy | None = None
    block_add_threshold: float | None = None
    decoded_token_threshold: float | None = None
    temperature: float | None = None
    top_p: float | None = None
    seed: int | None = None
    max_middle_tokens: int | None = None
    warm_start: float | None = None
    deadline_ms: float | None = None
    prompt_refresh_interval: int | None = None
    cache_policy: CachePolicyName | None = None
    vicinity: int | None = None
    refresh_share: float | None = None


LARGEST_DOCUMENT_CHARS = 100_000_000
"""What `max_document_chars` can be set to at most."""

OPTION_NAMES = frozenset(each.name for each in fields(ClientOptions))
DECODE_OPTION_NAMES = OPTION_NAMES & {each.name for each in fields(DecodeOptions)}

PROJECT_OPTION_NAMES = frozenset({"enabled", "disabled_languages", "exclude"})
"""What a file inside a project may say: what is to be left alone, and nothing else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything the daemon goes by; every default of it lives here, the decoder's own in `DecodeOptions`.

    Attributes:
        enabled: False answers every request with nothing and never loads the model.
        disabled_languages: Language ids that get no completions, such as `markdown`.
        exclude: Glob patterns of paths that are never read into a prompt, besides the built-in list of secrets.
        model: A checkpoint folder, or a name of `dlm-lsp models list`; None takes the weights that come with the
            package.
        device: `auto`, or a device as torch spells it.
        precision: In how many bits the model's matrices are held: `auto` and `bf16` as the device computes, `int8`,
            `int4`.
        preload: Load the model as soon as the client is ready, not at the first request.
        idle_unload_minutes: Free the model after so long without a request; 0 keeps it.
        stats: Count what becomes of completions, in a file on this machine and without source text.
        drafts: Send `dlmLsp/draft` notifications while a draft sharpens.
        draft_interval_ms: At least this long between two drafts of one request.
        debounce_ms: How long after a keystroke an automatic completion waits; None follows typing speed and latency.
        candidates: Alternatives for an explicitly invoked completion, at most 3; an automatic one gets 1.
        context_files: Show the model signatures of imported and open files, for a quarter of the prompt at most.
        max_prompt_tokens: Upper bound on prefix and suffix together.
        max_document_chars: Larger documents get no completions.
        require_valid: Show no fill that adds syntax errors; None goes for completions that nobody asked for.
        decode: How to denoise.
    """

    enabled: bool = True
    disabled_languages: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    model: str | None = None
    device: str = "auto"
    precision: Precision = "auto"
    preload: bool = False
    idle_unload_minutes: int = 30
    stats: bool = True
    drafts: bool = False
    draft_interval_ms: int = 50
    debounce_ms: int | None = None
    candidates: int = 3
    context_files: bool = True
    max_prompt_tokens: int = 1024
    max_document_chars: int = 1_000_000
    require_valid: bool | None = None
    decode: DecodeOptions = field(default_factory=DecodeOptions)


class ParsedOptions(NamedTuple):
    """Options of one source, and a sentence per option that it got wrong."""

    options: ClientOptions
    problems: tuple[str, ...]


def parse_options(raw: object, *, allowed: frozenset[str] = OPTION_NAMES) -> ParsedOptions:
    """Read one source's options, leaving out what is wrong.

    Args:
        raw: The decoded JSON or TOML; None for nothing. A null or an empty text leaves its option unset, because
            editors send every setting of theirs, also those that nobody has touched.
        allowed: Names, in snake_case, that this source may set.
    """
    if raw is None:
        return ParsedOptions(ClientOptions(), ())
    if not isinstance(raw, Mapping):
        return ParsedOptions(ClientOptions(), (f"options must be an object, got {type(raw).__name__}",))
    accepted: dict[str, object] = {}
    problems = []
    for spelling, value in raw.items():
        name = option_name(str(spelling))
        problem = _problem(name, value, allowed)
        if problem:
            problems.append(problem)
        elif value not in (None, ""):
            accepted[name] = tuple(value) if isinstance(value, list) else value
    return ParsedOptions(replace(ClientOptions(), **accepted), tuple(problems))  # type: ignore[arg-type]


def resolve(*layers: ClientOptions) -> Settings:
    """Merge options into settings: a later layer overrules an earlier one, except that lists add up."""
    merged: dict[str, object] = {}
    for layer in layers:
        for each in fields(layer):
            value = getattr(layer, each.name)
            if isinstance(value, tuple):
                merged[each.name] = tuple(dict.fromkeys((*merged.get(each.name, ()), *value)))  # type: ignore[misc]
            elif value is not None:
                merged[each.name] = value
    decode = {name: merged.pop(name) for name in DECODE_OPTION_NAMES & merged.keys()}
    return Settings(**merged, decode=DecodeOptions(**decode))  # type: ignore[arg-type]


def option_name(spelling: str) -> str:
    """The snake_case name behind any spelling: `numSteps`, `num-steps` and `num_steps` are one option."""
    return re.sub(r"(?<=[a-z0-9])[A-Z]", lambda capital: f"_{capital[0].lower()}", spelling).replace("-", "_")


def _problem(name: str, value: object, allowed: frozenset[str]) -> str | None:
    if name not in OPTION_NAMES:
        return f"{name} is not an option"
    if name not in allowed:
        return f"{name} cannot be set here"
    if value is None:
        return None
    kind = _KINDS[_HINTS[name]]
    if not kind.accepts(value):
        return f"{name} must be {kind.words}, got {value!r}"
    return _range_problem(name, value)


def _range_problem(name: str, value: object) -> str | None:
    if name in DECODE_OPTION_NAMES:
        try:
            replace(DecodeOptions(), **{name: value})  # type: ignore[arg-type]
        except ValueError as error:
            return str(error)
    if name == "precision" and value not in ("", *PRECISIONS):
        return f"precision must be one of {', '.join(PRECISIONS)}, got {value!r}"
    if name in _RANGES and value not in _RANGES[name]:
        return f"{name} must be from {_RANGES[name].start} to {_RANGES[name].stop - 1}, got {value!r}"
    return None


class _Kind(NamedTuple):
    words: str
    accepts: Callable[[object], bool]


_TEXT = _Kind("a text", lambda value: isinstance(value, str))
_KINDS: dict[object, _Kind] = {
    bool | None: _Kind("true or false", lambda value: isinstance(value, bool)),
    int | None: _Kind("a whole number", lambda value: type(value) is int and abs(value) < 2**63),
    float | None: _Kind("a number", lambda value: type(value) in (int, float)),
    str | None: _TEXT,
    Precision | None: _TEXT,
    Schedule | None: _TEXT,
    Selection | None: _TEXT,
    CachePolicyName | None: _TEXT,
    Remasking | None: _TEXT,
    Grammar | None: _TEXT,
    LengthPolicy | None: _TEXT,
    tuple[str, ...]: _Kind(
        "a list of texts", lambda value: isinstance(value, list) and all(isinstance(item, str) for item in value)
    ),
}
_HINTS = get_type_hints(ClientOptions)
_RANGES = {
    "candidates": range(1, 4),
    "draft_interval_ms": range(10_001),
    "debounce_ms": range(10_001),
    "idle_unload_minutes": range(10_081),
    "max_prompt_tokens": range(16, 1_000_001),
    "max_document_chars": range(LARGEST_DOCUMENT_CHARS + 1),
}
