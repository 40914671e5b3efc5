"""The HTTP application: which path answers what. Start reading at `create_app`."""

import json
from collections.abc import AsyncGenerator
from functools import partial

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from dlm_lsp.engine_facts import EngineFacts
from dlm_lsp.http_api.access import AccessGuard, AccessPolicy
from dlm_lsp.http_api.api_error import ApiError
from dlm_lsp.http_api.fim_request import FimRequest, parse_request
from dlm_lsp.http_api.responses import EventStream, error_response, json_response, unless_disconnected
from dlm_lsp.http_api.service import RETRY_AFTER_SECONDS, FimService, PendingCompletion
from dlm_lsp.http_api.wire import DONE, Envelope, event, model_card

_BYTES_PER_CHARACTER = 6
"""Bytes that a character takes in JSON that escapes whatever is not ASCII."""

_BYTES_BESIDE_TEXT = 65_536
_CLIENT_GONE = 499
_NO_SUCH_PATH = "There is no such path here: holes are filled at /v1/fim/completions, or at /v1/completions."

_METHODS, _READABLE = ("GET", "POST"), ("Retry-After",)
"""What web pages that the user allowed may send and read. They may send any header, as OpenAI's client sends a dozen of
its own.
"""


def create_app(service: FimService, policy: AccessPolicy) -> Starlette:
    """Build the application.

    Args:
        service: Fills the holes; the caller starts and closes it.
        policy: Who may ask.
    """
    complete = partial(_complete, service)
    return Starlette(
        routes=[
            Route("/v1/fim/completions", complete, methods=["POST"]),  # Mercury, Mistral
            Route("/v1/completions", complete, methods=["POST"]),  # OpenAI, with its `suffix`
            Route("/v1/models", partial(_models, service), methods=["GET"]),
            Route("/health", partial(_health, service), methods=["GET"]),
        ],
        middleware=[
            # The guard inside, so that an allowed page can read why it is refused, as for a key that is wrong.
            Middleware(
                CORSMiddleware,
                allow_origins=policy.origins,
                allow_methods=_METHODS,
                allow_headers=("*",),
                expose_headers=_READABLE,
            ),
            Middleware(AccessGuard, policy),
        ],
        exception_handlers={
            HTTPException: _answer_http_exception,
            ApiError: _answer_api_error,
            ClientDisconnect: _answer_nobody,
        },
    )


async def _complete(service: FimService, http_request: Request) -> Response:
    """Fill a hole: one object, or a stream of events."""
    limit = _BYTES_PER_CHARACTER * service.settings.max_document_chars + _BYTES_BESIDE_TEXT
    body = await _body(http_request, limit)
    try:
        request = parse_request(_decoded(body), service.settings)
        return await _respond(service, http_request, request)
    except (ApiError, ClientDisconnect):
        raise
    except Exception as error:  # whatever it is, the client reads it in its own format
        raise ApiError.of(error) from error


async def _respond(service: FimService, http_request: Request, request: FimRequest) -> Response:
    pending = service.submit(request)
    try:
        if request.is_streamed:
            events = _events(service, request, pending)
            return EventStream(await unless_disconnected(http_request.receive, anext(events)), events)
        completion = await unless_disconnected(http_request.receive, pending.result())
        return json_response(Envelope(_engine(service).model_name).response(completion))
    except BaseException:
        pending.cancel()
        raise


async def _events(service: FimService, request: FimRequest, pending: PendingCompletion) -> AsyncGenerator[bytes, None]:
    """A stream's events; an error after the first one is an event too, since the status has been sent by then."""
    envelope: Envelope | None = None
    try:
        async for text in pending.texts():
            envelope = envelope or Envelope(_engine(service).model_name)
            yield event(envelope.chunk(text))
        completion = await pending.result()
        envelope = envelope or Envelope(_engine(service).model_name)
        for chunk in envelope.last_chunks(completion, with_usage=request.with_usage):
            yield event(chunk)
        yield DONE
    except Exception as error:
        if envelope is None:
            raise
        yield event(ApiError.of(error).body)
    finally:
        pending.cancel()


async def _models(service: FimService, _request: Request) -> Response:
    """The one model, once it is known."""
    engine = _engine(service)
    return json_response({"object": "list", "data": [model_card(engine.model_name, engine.context_length)]})


async def _health(service: FimService, _request: Request) -> Response:
    """Whether a request would be served: 503 while the model is loaded for the first time.

    Not after a later load has failed: only a request tries again, and who waits for 200 might send none.
    """
    engine = service.engine
    facts = {"model": engine.model_name, "device": engine.device} if engine else {}
    return json_response({"status": service.state, **facts}, 200 if engine else 503)


def _engine(service: FimService) -> EngineFacts:
    if service.engine is None:
        message = "The model is being loaded."
        raise ApiError(503, message, "server_error", code="loading", retry_after=RETRY_AFTER_SECONDS)
    return service.engine


async def _body(request: Request, limit: int) -> bytes:
    """The body of a request, no more of which is held than the limit allows."""
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > limit:
            raise ApiError(413, f"The body has more than {limit} bytes.", code="body_too_large")
    return bytes(body)


def _decoded(body: bytes) -> object:
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise ApiError(400, "The body is not JSON.") from error


async def _answer_http_exception(_request: Request, error: Exception) -> Response:
    """Paths and methods that are not there."""
    assert isinstance(error, HTTPException)
    allowed = (error.headers or {}).get("Allow")
    message = f"This path accepts only {allowed}." if allowed else _NO_SUCH_PATH
    return error_response(ApiError(error.status_code, message), error.headers)


async def _answer_api_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)
    return error_response(error)


async def _answer_nobody(_request: Request, _error: Exception) -> Response:
    return Response(status_code=_CLIENT_GONE)  # nobody reads it
