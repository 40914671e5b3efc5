"""What may be configured, and what is in force: `ClientOptions` (as sent) → `Settings` (resolved, total).

An option is declared once: in `Settings`, or in `DecodeOptions` if it is the decoder's. A source may spell it
`numSteps`, `num_steps`, `num-steps` or by an alias (`steps`); problems are reported in its own spelling. A wrong option
is reported and left out. It never stops the daemon. Knows no protocol: the language server hands in the objects that a
client sent, the command line its flags.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from typing import NamedTuple, TypeAlias

from dlm_lsp.exclude_patterns import problems_with
from dlm_model.decode_options import DecodeOptions
from dlm_model.network.precision import Precision
from dlm_model.option import Option, Range, option, options_of

ClientOptions: TypeAlias = Mapping[str, object]
"""What one source sets, by the names of the options and with values that they accept.

Lists of several sources add up, so that no source can take back what another one excluded.
"""

LARGEST_DOCUMENT_CHARS = 100_000_000
"""What `max_document_chars` can be set to at most."""

CPU_PROMPT_TOKENS = 512
"""Tokens of prefix and suffix together, where nobody has set a bound, on a CPU: a prompt takes its time to be read.

Of 64 statements cut out of long files in four languages (packaged model, prompts not cached, AMD EPYC beside other
work), 6, 7 and 6 came back exactly with 1,024, 512 and 256 tokens, 51, 53 and 50 without a syntax error, and as similar
to what stood there as 0.38, 0.40 and 0.37; the first draft took 4.0, 1.9 and 1.1 s.
"""

GPU_PROMPT_TOKENS = 1024
"""Tokens of prefix and suffix together, where nobody has set a bound, on a GPU."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything the daemon goes by: an option a field, and the decoder's in `decode`."""

    enabled: bool = option(
        True,
        "`false` fills nothing in editors, and loads no model; `dlm-lsp infill` and `dlm-lsp http` still work",
    )
    disabled_languages: tuple[str, ...] = option(
        (),
        "language ids that get no completions, in editors and over HTTP; `dlm-lsp infill` ignores this",
    )
    exclude: tuple[str, ...] = option(
        (),
        "patterns of files that never enter a prompt, in addition to the built-in list of secrets. They are written as "
        "in `.gitignore`, ignore case, and apply in every folder above the file. `*` does not cross a slash. A pattern "
        "that begins with `!` has no effect",
    )
    model: str | None = option(
        None,
        "a name from `dlm-lsp models list`, or the path of a checkpoint folder, which must contain a slash "
        "(`./mine`); `null` is the packaged model",
    )
    device: str = option("auto", "where the model runs: `auto`, `cpu`, `cuda`, `cuda:1`")
    precision: Precision = option(
        "auto",
        "number format of the model's matrices in memory: `auto` and `bf16` use the format that the device computes "
        "in; `int8`, and on CUDA GPUs `int4`, save memory by rounding with torchao",
    )
    preload: bool = option(False, "load the model at startup, not at the first request")
    idle_unload_minutes: int = option(
        30,
        "minutes without a request after which the model is unloaded; the next request loads it again; `0` keeps it "
        "loaded",
        within=Range(0, 7 * 24 * 60),
    )
    stats: bool = option(
        True,
        "count how many completions are offered, shown, accepted and kept, in a file on this machine that contains no "
        "source text",
    )
    drafts: bool = option(False, "send `dlmLsp/draft` notifications while a draft sharpens")
    draft_interval_ms: int = option(50, "minimum time between two drafts", within=Range(0, 10_000))
    automatic: bool | None = option(
        None,
        "offer completions without being asked: `true` in every language, `false` in none, `null` in all except JSON, "
        "YAML and TOML",
    )
    debounce_ms: int | None = option(
        None,
        "how long an automatic completion waits after a keystroke; `null` adapts to typing speed and latency, `0` "
        "never waits",
        within=Range(0, 10_000),
    )
    candidates: int = option(
        3,
        "how many candidates a completion gets if you ask for it in an editor; an automatic one gets 1, any other "
        "request as many as its `n` says",
        within=Range(1, 3),
    )
    context_files: bool = option(
        True, "add signatures from imported and open files to the prompt, up to a quarter of it"
    )
    max_prompt_tokens: int | None = option(
        None,
        f"maximum tokens of prefix and suffix together; `null` is {CPU_PROMPT_TOKENS} on a CPU, where reading a "
        f"prompt is slow, and {GPU_PROMPT_TOKENS} on a GPU",
        within=Range(16, 1_000_000),
    )
    max_document_chars: int = option(
        1_000_000, "longer documents get no completions and no fills", within=Range(0, LARGEST_DOCUMENT_CHARS)
    )
    require_valid: bool | None = option(
        None,
        "show no fill that adds syntax errors; `null` applies this only to automatic completions and to `--in-place`",
    )
    decode: DecodeOptions = field(default_factory=DecodeOptions)

    def requires_valid(self, *, by_default: bool = False) -> bool:
        """Whether a fill must add no syntax error; what is asked for decides where no setting does."""
        return by_default if self.require_valid is None else self.require_valid


OPTIONS: Mapping[str, Option] = {**options_of(Settings), **options_of(DecodeOptions)}
"""All options by name, as they are declared."""

DECODE_OPTION_NAMES = frozenset(options_of(DecodeOptions))
"""Names of the options that one request may set for itself."""

SETTING_NAMES = frozenset(OPTIONS) - {"num_candidates"}
"""Names of the options that may be in force for all requests.

How many alternatives are decoded is not: who fills from the command line or over HTTP gets one unless the request asks
for more, whatever an editor's settings in the same config file say. Who invokes a completion in an editor cannot say a
number, and wants a few to go through: that is `candidates`, which the language server alone heeds.
"""

PROJECT_OPTION_NAMES = frozenset({"enabled", "disabled_languages", "exclude"})
"""Names of the options that a file inside a project may set: what is to be left alone, and nothing else."""

_BY_SPELLING = {spelling: each for each in OPTIONS.values() for spelling in (each.name, *each.aliases)}


class ParsedOptions(NamedTuple):
    """Options of one source.

    Attributes:
        options: Those that it got right.
        problems: A sentence for each that it got wrong.
        has_invalid_value: Whether one of these may be set there, and only its value cannot be taken: what it was meant
            to say is unknown.
    """

    options: ClientOptions
    problems: tuple[str, ...]
    has_invalid_value: bool = False


def usual_prompt_tokens(*, is_cpu: bool) -> int:
    """Upper bound on prefix and suffix together where nobody has set one."""
    return CPU_PROMPT_TOKENS if is_cpu else GPU_PROMPT_TOKENS


def find_option(spelling: str) -> Option | None:
    """The option behind any of its names, in any case: `numSteps`, `num-steps`, `num_steps` and `steps` are one."""
    return _BY_SPELLING.get(_in_snake_case(spelling))


def nearest_option(spelling: str, allowed: frozenset[str]) -> str | None:
    """The name of an option that is spelled most like one that there is not, in camelCase if that is; None without one.

    Args:
        spelling: As somebody wrote it.
        allowed: Names of the options to choose from.
    """
    names = [name for name, option in _BY_SPELLING.items() if option.name in allowed]
    in_snake_case = _in_snake_case(spelling)
    alike = get_close_matches(in_snake_case.lower(), names, n=1)
    if not alike:
        return None
    is_camel_case = in_snake_case != spelling.replace("-", "_")
    return re.sub(r"_([a-z])", lambda letter: letter[1].upper(), alike[0]) if is_camel_case else alike[0]


def _in_snake_case(spelling: str) -> str:
    return re.sub(r"(?<=[a-z0-9])[A-Z]", lambda capital: f"_{capital[0].lower()}", spelling).replace("-", "_")


def parse_options(
    raw: object, *, allowed: frozenset[str] = SETTING_NAMES, shown: Callable[[str], str] = str
) -> ParsedOptions:
    """Read one source's options, leaving out what is wrong.

    Args:
        raw: The decoded JSON or TOML; None for nothing. A null or an empty text leaves its option unset, because
            editors send every setting of theirs, also those that nobody has touched.
        allowed: Names of the options that this source may set.
        shown: How a problem begins, given the option as the source spells it.
    """
    if raw is None:
        return ParsedOptions({}, ())
    if not isinstance(raw, Mapping):
        return ParsedOptions(
            {}, (f"{shown('options')} must be an object, got {type(raw).__name__}",), has_invalid_value=True
        )
    accepted: dict[str, object] = {}
    problems: list[str] = []
    has_invalid_value = False
    for spelling, value in raw.items():
        found = find_option(str(spelling))
        if found is None:
            problems.append(f"{shown(str(spelling))} {_unknown(str(spelling), allowed)}")
        elif found.name not in allowed:
            problems.append(f"{shown(str(spelling))} cannot be set here")
        elif problem := _problem_with(found, value, accepted):
            problems.append(f"{shown(str(spelling))} {problem}")
            has_invalid_value = True
        elif value not in (None, ""):
            accepted[found.name] = tuple(value) if isinstance(value, list) else value
            problems += (f"{shown(str(spelling))} {problem}" for problem in _doubts(found.name, value))
    return ParsedOptions(accepted, tuple(problems), has_invalid_value)


def resolve(*layers: ClientOptions) -> Settings:
    """Merge options into settings: a later layer overrules an earlier one, except that lists add up."""
    merged: dict[str, object] = {}
    for layer in layers:
        for name, value in layer.items():
            if isinstance(value, tuple):
                merged[name] = tuple(dict.fromkeys((*merged.get(name, ()), *value)))  # type: ignore[misc]
            else:
                merged[name] = value
    decode = {name: merged.pop(name) for name in DECODE_OPTION_NAMES & merged.keys()}
    return Settings(**merged, decode=with_options(DecodeOptions(), decode))  # type: ignore[arg-type]


def with_options(decode: DecodeOptions, options: ClientOptions) -> DecodeOptions:
    """What one request says of itself overrules the settings; all of it is the decoder's."""
    return replace(decode, **options)  # type: ignore[arg-type]


def _unknown(spelling: str, allowed: frozenset[str]) -> str:
    alike = nearest_option(spelling, allowed)
    return f"is not an option; did you mean {alike}?" if alike else "is not an option"


def _doubts(name: str, value: object) -> Iterator[str]:
    """What is wrong with a value that is taken all the same: without the sound patterns, more files would be read."""
    if name == "exclude":
        yield from problems_with(value)  # type: ignore[arg-type]


def _problem_with(found: Option, value: object, accepted: Mapping[str, object]) -> str | None:
    if value in (None, ""):
        return None
    if found.name in accepted:
        return f"sets {found.name} a second time"
    return found.problem_with(value)
