"""`Completion` → the objects that clients read, whole or as server-sent events; and the description of the model.

A choice carries its text twice: as `text`, where clients of Mercury, DeepSeek and OpenAI look for it, and as
`message.content` (in a chunk `delta.content`), where clients of Mistral do.
"""

import json
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field

from dlm_lsp.http_api.completion import Choice, Completion

DONE = b"data: [DONE]\n\n"


@dataclass(frozen=True, slots=True)
class Envelope:
    """What all objects of one answer have in common."""

    model: str
    id: str = field(default_factory=lambda: f"cmpl-{uuid.uuid4().hex}")
    created: int = field(default_factory=lambda: int(time.time()))

    def response(self, completion: Completion) -> dict[str, object]:
        """The answer as one object."""
        choices = [
            {**_choice(index, choice), "message": {"role": "assistant", "content": choice.text}}
            for index, choice in enumerate(completion.choices)
        ]
        return {**self._object(choices), "usage": usage(completion), "warning": _warning(completion)}

    def chunk(self, text: str) -> dict[str, object]:
        """One event of a stream before its end."""
        return self._object([_chunk_choice(0, Choice(text, "stop"), is_last=False)])

    def last_chunks(self, completion: Completion, *, with_usage: bool) -> Iterator[dict[str, object]]:
        """The events that end a stream: what is left of every choice, then the usage."""
        rests = (Choice(completion.unsent, completion.choices[0].finish_reason), *completion.choices[1:])
        warning = _warning(completion)
        for index, choice in enumerate(rests):
            yield {**self._object([_chunk_choice(index, choice, is_last=True)]), "warning": warning}
        if with_usage:
            yield {**self._object([]), "usage": usage(completion)}

    def _object(self, choices: list[dict[str, object]]) -> dict[str, object]:
        head = {"id": self.id, "object": "text_completion", "created": self.created, "model": self.model}
        return {**head, "choices": choices}


def usage(completion: Completion) -> dict[str, int]:
    """Tokens that were read and written."""
    read, written = completion.prompt_tokens, completion.completion_tokens
    return {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written}


def model_card(name: str, context_length: int) -> dict[str, object]:
    """A model as an entry of a list of models: first what OpenAI's clients read, then what Mistral's require.

    When a folder of weights was made is unknown: `created` is 0.
    """
    return {
        "id": name,
        "object": "model",
        "created": 0,
        "owned_by": "dlm-lsp",
        "name": name,
        "context_length": context_length,
        "type": "base",
        "max_context_length": context_length,
        "capabilities": {
            "completion_fim": True,
            "completion_chat": False,
            "function_calling": False,
            "fine_tuning": False,
            "vision": False,
        },
    }


def to_json(value: object) -> bytes:
    """JSON in ASCII alone, so that even half a surrogate pair arrives."""
    return json.dumps(value, separators=(",", ":")).encode("ascii")


def event(value: object) -> bytes:
    """One server-sent event."""
    return b"data: " + to_json(value) + b"\n\n"


def _choice(index: int, choice: Choice) -> dict[str, object]:
    return {"index": index, "text": choice.text, "finish_reason": choice.finish_reason, "logprobs": None}


def _chunk_choice(index: int, choice: Choice, *, is_last: bool) -> dict[str, object]:
    reason = choice.finish_reason if is_last else None
    return {**_choice(index, choice), "delta": {"content": choice.text}, "finish_reason": reason}


def _warning(completion: Completion) -> str | None:
    return "; ".join(completion.warnings) or None
