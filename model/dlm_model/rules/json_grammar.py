"""A hard grammar: the middle is exactly one JSON value (RFC 8259), whatever the model predicts.

It shows that a formal guarantee is possible with a bidirectional canvas. After any text, a pushdown machine over bytes
knows how the text can continue, and the shortest way to end it. Positions are committed from the left, one per step,
and a token is allowed if the machine accepts its bytes and can still end within the remaining positions; the last step
ends it. To commit in any order, one would have to decide whether a grammar's intersection with the whole partial canvas
is empty (arXiv 2508.10111). Libraries such as xgrammar and llguidance mask the next token of a text that may grow for
ever. A canvas has an end, and the number of positions left turns "valid so far" into "valid at the end". Strings are
written in ASCII, in which JSON can spell every other character as an escape. At a deadline, the value takes the
shortest way to its end, too.
"""

from dataclasses import replace
from typing import NamedTuple

import torch

from dlm_model.canvas import Canvas
from dlm_model.network.config import ModelConfig
from dlm_model.request import InfillRequest
from dlm_model.rules.boundaries import Boundaries
from dlm_model.rules.constraint import Constraint, Rules
from dlm_model.tokens.vocabulary import Vocabulary

WHITESPACE = frozenset(b" \t\n\r")
_DIGITS, _HEX = frozenset(b"0123456789"), frozenset(b"0123456789abcdefABCDEF")
_ESCAPES = frozenset(b'"\\/bfnrt')
_LITERALS = {b"true"[0]: b"rue", b"false"[0]: b"alse", b"null"[0]: b"ull"}

_NUMBER_ENDS = frozenset({"zero", "digits", "fraction", "exponent"})
"""States in which a number may end."""

_NUMBERS: dict[str, tuple[tuple[frozenset[int], str], ...]] = {
    "minus": ((frozenset(b"0"), "zero"), (_DIGITS, "digits")),
    "zero": ((frozenset(b"."), "point"), (frozenset(b"eE"), "e")),
    "digits": ((_DIGITS, "digits"), (frozenset(b"."), "point"), (frozenset(b"eE"), "e")),
    "point": ((_DIGITS, "fraction"),),
    "fraction": ((_DIGITS, "fraction"), (frozenset(b"eE"), "e")),
    "e": ((frozenset(b"+-"), "sign"), (_DIGITS, "exponent")),
    "sign": ((_DIGITS, "exponent"),),
    "exponent": ((_DIGITS, "exponent"),),
}
"""How each part of a number may continue: state → (bytes, next state), …"""

_ENDINGS = {
    "value": b"0",
    "first item": b"",
    "first key": b"",
    "key": b'"":0',
    "colon": b":0",
    "end": b"",
    "string": b'"',
    "escape": b'n"',
    "literal": b"",
    "minus": b"0",
    "point": b"0",
    "e": b"0",
    "sign": b"0",
} | dict.fromkeys(_NUMBER_ENDS, b"")
"""The shortest way from each state to the end of its value."""


class JsonState(NamedTuple):
    """Where the machine is.

    Attributes:
        mode: What it expects.
        stack: Open brackets, outermost first.
        is_key: Whether the string it is in is a key.
        rest: What is left of a literal; of an escape, as many zeros as hex digits are due.
    """

    mode: str = "value"
    stack: bytes = b""
    is_key: bool = False
    rest: bytes = b""

    @property
    def is_complete(self) -> bool:
        """Whether the text so far is one whole value."""
        return not self.stack and self.mode in {"end", *_NUMBER_ENDS}

    @property
    def shortest_end(self) -> bytes:
        """The fewest bytes that make it one."""
        own = self.rest + _ENDINGS["string"] if self.mode == "hex" else self.rest + _ENDINGS[self.mode]
        after_key = b":0" if self.is_key else b""
        return own + after_key + bytes(_CLOSERS[bracket] for bracket in reversed(self.stack))

    def after(self, byte: int) -> "JsonState | None":
        """The state after one more byte; None if no JSON continues like this."""
        match self.mode:
            case "string":
                return self._in_string(byte)
            case "escape":
                return self._in_escape(byte)
            case "hex":
                return self._in_hex(byte)
            case "literal":
                return self._in_literal(byte)
            case mode if mode in _NUMBERS:
                return self._in_number(byte)
        return self if byte in WHITESPACE else self._between(byte)

    def _between(self, byte: int) -> "JsonState | None":
        character = chr(byte)
        match self.mode:
            case "first item" if character == "]":
                return self._popped()
            case "value" | "first item":
                return self._begun(byte)
            case "first key" if character == "}":
                return self._popped()
            case "key" | "first key":
                return self._replace(mode="string", is_key=True) if character == '"' else None
            case "colon":
                return self._replace(mode="value") if character == ":" else None
        return self._after_value(byte)

    def _begun(self, byte: int) -> "JsonState | None":
        """The first byte of a value."""
        match chr(byte):
            case '"':
                return self._replace(mode="string")
            case "{":
                return self._replace(mode="first key", stack=self.stack + b"{")
            case "[":
                return self._replace(mode="first item", stack=self.stack + b"[")
            case "-":
                return self._replace(mode="minus")
        if byte in _DIGITS:
            return self._replace(mode="zero" if byte == ord("0") else "digits")
        return self._replace(mode="literal", rest=_LITERALS[byte]) if byte in _LITERALS else None

    def _after_value(self, byte: int) -> "JsonState | None":
        """A comma or a closing bracket, inside of brackets."""
        if not self.stack:
            return None
        if byte == ord(","):
            return self._replace(mode="key" if self.stack.endswith(b"{") else "value")
        return self._popped() if byte == _CLOSERS[self.stack[-1]] else None

    def _popped(self) -> "JsonState":
        return self._replace(mode="end", stack=self.stack[:-1])

    def _in_string(self, byte: int) -> "JsonState | None":
        if byte == ord('"'):
            return self._replace(mode="colon" if self.is_key else "end", is_key=False)
        if byte == ord("\\"):
            return self._replace(mode="escape")
        return self if 0x20 <= byte < 0x7F else None

    def _in_escape(self, byte: int) -> "JsonState | None":
        if byte == ord("u"):
            return self._replace(mode="hex", rest=b"0000")
        return self._replace(mode="string") if byte in _ESCAPES else None

    def _in_hex(self, byte: int) -> "JsonState | None":
        if byte not in _HEX:
            return None
        rest = self.rest[1:]
        return self._replace(mode="hex" if rest else "string", rest=rest)

    def _in_literal(self, byte: int) -> "JsonState | None":
        if byte != self.rest[0]:
            return None
        rest = self.rest[1:]
        return self._replace(mode="literal" if rest else "end", rest=rest)

    def _in_number(self, byte: int) -> "JsonState | None":
        for accepted, mode in _NUMBERS[self.mode]:
            if byte in accepted:
                return self._replace(mode=mode)
        return self._replace(mode="end").after(byte) if self.mode in _NUMBER_ENDS else None


_CLOSERS = {ord("{"): ord("}"), ord("["): ord("]")}


class JsonConstraint(Constraint):
    """The rules of a canvas that becomes one JSON value; it never grows, and shrinks only after the value's end."""

    def __init__(self, config: ModelConfig, vocabulary: Vocabulary, *, single_line: bool, is_resizing: bool) -> None:
        super().__init__(
            config,
            vocabulary,
            Boundaries(vocabulary, b"", b""),
            # A value does not depend on the text around it, nor on where statements end.
            InfillRequest("", "", single_line=single_line),
            max_length=0,
            is_resizing=is_resizing,
        )
        self._found: dict[JsonState, list[tuple[int, JsonState]]] = {}

    def rules(self, canvas: Canvas, *, is_last: bool) -> Rules:
        """Those of every canvas, but no row may grow."""
        return replace(super().rules(canvas, is_last=is_last), may_grow=torch.zeros_like(canvas.lacked_room))

    def fixed(self, canvas: Canvas) -> torch.Tensor:
        """Nothing is revised: what follows depends on it."""
        return canvas.is_committed

    def cut_off(self, canvas: Canvas) -> Canvas:
        """The canvas at a deadline, each value ended by what it needs to end, and no longer."""
        for row in canvas.is_masked.any(dim=1).nonzero().flatten().tolist():
            written = int(canvas.is_masked[row].nonzero()[0])
            state = self._state(canvas.token_ids[row, :written].tolist())
            ending = [self._vocabulary.beginnings.exact(bytes([byte]))[0] for byte in state.shortest_end]
            canvas = canvas.end(row, written, ending, lacked_room=False)
        return canvas

    def is_cut_short(self, canvas: Canvas) -> torch.Tensor:
        """No row is: a value that the grammar has closed is complete."""
        return torch.zeros_like(canvas.lacked_room)

    def _required(self, canvas: Canvas, row: int, *, is_last: bool) -> dict[int, list[int]]:
        """Everything waits for the leftmost mask; the last step takes the shortest way to the end."""
        columns = canvas.is_masked[row].nonzero().flatten().tolist()
        if not columns:
            return {}
        state = self._state(canvas.token_ids[row, : columns[0]].tolist())
        tokens = self._closing(state, len(columns)) if is_last else [self._tokens(state, len(columns))]
        return dict(zip(columns, tokens, strict=False))

    def _state(self, token_ids: list[int]) -> JsonState:
        state: JsonState | None = JsonState()
        for byte in self._vocabulary.spell(token_ids):
            state = state.after(byte) if state else None
        assert state is not None, "only what the machine accepts is committed"
        return state

    def _tokens(self, state: JsonState, room: int) -> list[int]:
        """Tokens after which the value can still end within `room` positions, this one included."""
        if state not in self._found:
            self._found[state] = list(self._vocabulary.beginnings.accepted(state, JsonState.after))
        allowed = [token for token, after in self._found[state] if len(after.shortest_end) < room]
        return self._within_line(allowed, slice(None)) + (self._filler() if state.is_complete else [])

    def _closing(self, state: JsonState, room: int) -> list[list[int]]:
        """The tokens of all positions that are left: the shortest end, and nothing after it."""
        ending = [self._vocabulary.beginnings.exact(bytes([byte])) for byte in state.shortest_end]
        return [*ending, *([self._filler()] * (room - len(ending)))]

    def _filler(self) -> list[int]:
        """What may stand after the value: a deletion if the model can delete, and otherwise a blank."""
        return self._vocabulary.beginnings.exact(b" ") if self._delete is None else [self._delete]
