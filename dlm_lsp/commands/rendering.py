"""A finished fill as text for standard output: JSON, a unified diff, or one line about it for people.

Knows no terminal and writes nothing.
"""

import difflib
import json
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from dlm_lsp.commands.targets import format_range
from dlm_lsp.documents.positions import LineIndex
from dlm_lsp.engine_facts import EngineFacts
from dlm_lsp.fills import Fill, RankedFill
from dlm_model.request import Draft

_QUOTED_ALONE = re.compile(r'[\x00-\x1f\x7f"\\]')
"""What a diff's header can hold in quotes alone."""

_BOLD, _RESET = "\x1b[1m", "\x1b[m"
_COLOURS = {"@": "\x1b[36m", "-": "\x1b[31m", "+": "\x1b[32m"}
"""Of lines by what they begin with: cyan, red and green."""


def apply_fill(text: str, fill: Fill) -> str:
    """The document with the fill in it."""
    return text[: fill.start] + fill.text + text[fill.end :]


def render_json(
    engine: EngineFacts,
    draft: Draft,
    fills: Sequence[RankedFill],
    name: str,
    lines: LineIndex,
    *,
    with_candidates: bool,
) -> str:
    """One JSON object on one line; without a fill its text is empty, and its range null.

    Args:
        engine: For the model's and the device's names.
        draft: The last one.
        fills: Best first; may be empty.
        name: The file as it was given.
        lines: Of its text, without a marker.
        with_candidates: Add every alternative, best first.
    """
    best = fills[0] if fills else None
    num_tokens = best.candidate.num_tokens if best else 0
    result: dict[str, Any] = {
        "path": name,
        "range": format_range(lines, best.fill.start, best.fill.end) if best else None,
        "text": best.fill.text if best else "",
        "finish_reason": best.candidate.finish_reason if best else draft.finish_reason,
        "parse_valid": best.fill.parse_valid if best else False,
        "num_steps": draft.step,
        "num_forwards": draft.num_forwards,
        "num_tokens": num_tokens,
        "elapsed_ms": round(draft.elapsed_ms, 1),
        "tokens_per_second": round(tokens_per_second(num_tokens, draft.elapsed_ms), 1),
        "model": engine.model_name,
        "device": engine.device,
        "confidence": round(best.candidate.confidence, 4) if best else 0.0,
    }
    if with_candidates:
        result["candidates"] = [_candidate(ranked, lines) for ranked in fills]
    # A name that is not UTF-8 has no other way into JSON than as escapes.
    return json.dumps(result, ensure_ascii=not _is_utf8(name))


def _candidate(ranked: RankedFill, lines: LineIndex) -> dict[str, Any]:
    return {
        "range": format_range(lines, ranked.fill.start, ranked.fill.end),
        "text": ranked.fill.text,
        "finish_reason": ranked.candidate.finish_reason,
        "parse_valid": ranked.fill.parse_valid,
        "num_tokens": ranked.candidate.num_tokens,
        "confidence": round(ranked.candidate.confidence, 4),
    }


def render_diff(name: str, before: str, after: str) -> str:
    """A unified diff that `git apply` and `patch -p1` accept in the working folder; every line keeps its own ending.

    Names are written as git writes them: one with a blank ends with a tab, or `patch` would take its first word. One
    with control characters, quotes, backslashes or bytes that are not UTF-8 is quoted.

    Args:
        name: The file as it was given. One outside the working folder, where no patch tool follows a relative
            path, is named by its absolute path.
        before: Its text.
        after: Its text with the fill.
    """
    path = Path(os.path.abspath(name))  # noqa: PTH100 - Path.absolute leaves `..` standing
    if path.is_relative_to(Path.cwd()):
        relative = path.relative_to(Path.cwd()).as_posix()
        old, new = f"a/{relative}", f"b/{relative}"
    else:
        old = new = path.as_posix()
    lines = difflib.unified_diff(list(_lines(before)), list(_lines(after)), _header(old), _header(new))
    return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)


def coloured(diff: str) -> str:
    """A unified diff in the colours that git gives it on a terminal."""
    lines = diff.split("\n")
    head, hunks = lines[:2], lines[2:]  # of a diff that changes nothing, both are empty
    painted = (_painted(line, _COLOURS.get(line[:1], "")) for line in hunks)
    return "\n".join([*(_painted(line, _BOLD) for line in head), *painted])


def _painted(line: str, colour: str) -> str:
    text = line.rstrip("\r")
    return f"{colour}{text}{_RESET}{line[len(text) :]}" if colour and text else line


def summarize(engine: EngineFacts, draft: Draft, best: RankedFill) -> str:
    """One line for people: how much came out, how fast, and whether it parses."""
    num_tokens = best.candidate.num_tokens
    speed = tokens_per_second(num_tokens, draft.elapsed_ms)
    validity = "parses" if best.fill.parse_valid else "does not parse"
    return (
        f"{num_tokens} tokens in {draft.step} steps, {draft.elapsed_ms:.0f} ms ({speed:.1f} tokens/s), "
        f"confidence {best.candidate.confidence:.2f}, {validity} · {engine.model_name} on {engine.device}"
    )


def tokens_per_second(num_tokens: int, elapsed_ms: float) -> float:
    """Throughput; 0 when no time has passed."""
    return num_tokens * 1000 / elapsed_ms if elapsed_ms > 0 else 0.0


def _header(name: str) -> str:
    is_plain = _is_utf8(name) and not _QUOTED_ALONE.search(name)
    written = name if is_plain else f'"{"".join(map(_quoted, os.fsencode(name)))}"'
    return f"{written}\t" if " " in name else written


def _quoted(byte: int) -> str:
    if byte in b'"\\':
        return f"\\{chr(byte)}"
    return chr(byte) if 0x20 <= byte < 0x7F else f"\\{byte:03o}"


def _is_utf8(name: str) -> bool:
    """Whether a file's name has only bytes that are text; Python makes surrogates of the others."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _lines(text: str) -> Iterator[str]:
    index = LineIndex(text)
    starts = [index.line_start(line) for line in range(index.num_lines)]
    for start, end in zip(starts, [*starts[1:], len(text)], strict=True):
        if start < end:
            yield text[start:end]
