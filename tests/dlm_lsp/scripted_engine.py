"""An engine that writes the texts of a test, one step at a time."""

import itertools
import queue
import threading
from collections.abc import Iterator
from dataclasses import replace

from dlm_model.decode_options import DecodeOptions
from dlm_model.errors import ModelError
from dlm_model.request import CancelToken, Candidate, Draft, FinishReason, InfillRequest, Piece

WAIT_SECONDS = 10.0


class ScriptedEngine:
    """Fills every hole with the same middles.

    Attributes:
        middles: The candidates, best first.
        finish_reasons: Why they end; the further ones end by themselves.
        num_steps: Drafts per request.
        error: Raised in place of the first draft.
        requests: The requests that it got.
        options: Their options.
        num_steps_done: Steps of all requests together.
        forgotten: The documents that it was told to forget.
        is_closed: Whether it was closed.
        unallowed_steps: Those that waited in vain to be allowed.
    """

    model_name = "scripted"
    device = "cpu"
    context_length = 4096
    sees_suffix = True

    def __init__(self, *middles: str, num_steps: int = 1, is_gated: bool = False) -> None:
        """With a gate, every step waits for `allow`."""
        self.middles = middles
        self.finish_reasons: tuple[FinishReason, ...] = ()
        self.num_steps = num_steps
        self.error: Exception | None = None
        self.requests: list[InfillRequest] = []
        self.options: list[DecodeOptions] = []
        self.num_steps_done = 0
        self.forgotten: list[str] = []
        self.is_closed = False
        self.unallowed_steps: list[int] = []
        self._gate = threading.Semaphore(0) if is_gated else None
        self._begun: queue.SimpleQueue[int] = queue.SimpleQueue()

    def count_tokens(self, text: str) -> int:
        return len(text.split())

    def infill(self, request: InfillRequest, options: DecodeOptions, cancel: CancelToken) -> Iterator[Draft]:
        self.requests.append(request)
        self.options.append(options)
        if self.error:
            raise self.error
        for step in range(1, self.num_steps + 1):
            if cancel.is_cancelled:
                yield replace(self._draft(step - 1, options), finish_reason="cancelled")
                return
            self._begun.put(step)
            if self._gate and not self._gate.acquire(timeout=WAIT_SECONDS):
                self.unallowed_steps.append(step)
                raise ModelError("the test never allowed this step")
            self.num_steps_done += 1
            yield self._draft(step, options)

    def forget(self, document: str) -> None:
        self.forgotten.append(document)

    def close(self) -> None:
        self.is_closed = True

    def allow(self, num_steps: int) -> None:
        """Let this many steps go on."""
        assert self._gate
        self._gate.release(num_steps)

    def wait_for_step(self) -> int:
        """Block until a step not yet reported has begun."""
        return self._begun.get(timeout=WAIT_SECONDS)

    def _draft(self, step: int, options: DecodeOptions) -> Draft:
        best = self.middles[0] if self.middles else ""
        known = best[: len(best) * step // self.num_steps]
        is_last = step == self.num_steps
        reasons = itertools.chain(self.finish_reasons, itertools.repeat("stop"))
        candidates = [
            Candidate(text, 0.9 - 0.1 * rank, len(text), reason)
            for rank, (text, reason) in enumerate(zip(self.middles, reasons, strict=False))
        ]
        return Draft(
            pieces=(Piece(known, "committed", 0.9, len(known)), Piece("", "masked", 0.0, len(best) - len(known))),
            step=step,
            num_steps=self.num_steps,
            num_forwards=step,
            elapsed_ms=float(step),
            num_final=2,
            finish_reason=next(iter(self.finish_reasons), "stop") if is_last else None,
            candidates=tuple(candidates[: options.num_candidates]) if is_last else (),
        )
