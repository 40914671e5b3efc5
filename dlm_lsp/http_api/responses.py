"""Objects and events as HTTP responses. Work ends when its client is gone."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Mapping
from contextlib import aclosing, suppress
from typing import TypeVar

from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from dlm_lsp.http_api.api_error import ApiError
from dlm_lsp.http_api.wire import to_json

Result = TypeVar("Result")


def json_response(value: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """One JSON object."""
    return Response(to_json(value), status, headers, media_type="application/json")


def error_response(error: ApiError, headers: Mapping[str, str] | None = None) -> Response:
    """An error, with the moment after which to try again where there is one."""
    added = dict(headers or {})
    if error.status == 401:
        added["WWW-Authenticate"] = "Bearer"
    if error.retry_after is not None:
        added["Retry-After"] = str(error.retry_after)
    return json_response(error.body, error.status, added)


class EventStream(Response):
    """Server-sent events, until they end or the client has gone."""

    media_type = "text/event-stream"

    def __init__(self, first: bytes, rest: AsyncGenerator[bytes, None]) -> None:
        """Take events of which the first is there already: whatever could go wrong before it has its own status."""
        super().__init__(headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._first = first
        self._rest = rest

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - as ASGI calls it
        """Send them."""
        async with aclosing(self._rest):
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            with suppress(ClientDisconnect):
                await unless_disconnected(receive, self._send(send))

    async def _send(self, send: Send) -> None:
        await send({"type": "http.response.body", "body": self._first, "more_body": True})
        async for event in self._rest:
            await send({"type": "http.response.body", "body": event, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def unless_disconnected(receive: Receive, work: Awaitable[Result]) -> Result:
    """Do work for a client whose request was read; cancel it as soon as the connection ends.

    Raises:
        ClientDisconnect: it has.
        Exception: whatever the work raises.
    """
    working, gone = asyncio.ensure_future(work), asyncio.ensure_future(_disconnect(receive))
    try:
        await asyncio.wait({working, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise ClientDisconnect
        return working.result()
    finally:
        for task in (working, gone):
            task.cancel()
        await asyncio.gather(working, gone, return_exceptions=True)


async def _disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
