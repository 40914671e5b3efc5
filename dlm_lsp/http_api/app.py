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

from dlm_lsp.http_api.access import AccessGuard, AccessPolicy
from dlm_lsp.http_api.answers import EventStream, error_response, json_response, until_gone
from dlm_lsp.http_api.api_error import ApiError
from dlm_lsp.http_api.fim_request import FimRequest, parse_request
from dlm_lsp.http_api.service import RETRY_AFTER_SECONDS, Filling, FimService, ModelFacts
from dlm_lsp.http_api.wire import DONE, Envelope, event

_BYTES_PER_CHARACTER = 6  # of JSON that escapes whatever is not ASCII
_BYTES_BESIDE_TEXT = 65_536
_CLIENT_GONE = 499
_METHODS, _HEADERS = ("GET", "POST"), ("Authorization", "Content-Type")  # of web pages that the user allowed


def create_app(service: FimService, policy: AccessPolicy) -> Starlette:
    """Build the application.

    Args:
        service: Fills; whoever starts and closes it also serves this.
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
            Middleware(AccessGuard, policy),
            Middleware(CORSMiddleware, allow_origins=policy.origins, allow_methods=_METHODS, allow_headers=_HEADERS),
        ],
        exception_handlers={HTTPException: _refuse, ApiError: _answer_error, ClientDisconnect: _leave},
    )


async def _complete(service: FimService, request: Request) -> Response:
    """Fill a hole: one object, or a stream of events."""
    limit = _BYTES_PER_CHARACTER * service.settings.max_document_chars + _BYTES_BESIDE_TEXT
    body = await _body(request, limit)
    try:
        order = parse_request(_decoded(body), service.settings)
        return await _fill(service, request, order)
    except (ApiError, ClientDisconnect):
        raise
    except Exception as error:  # whatever it is, the client reads it in its own format
        raise ApiError.of(error) from error


async def _fill(service: FimService, request: Request, order: FimRequest) -> Response:
    filling = service.submit(order)
    try:
        if order.is_streamed:
            events = _events(service, order, filling)
            return EventStream(await until_gone(request.receive, anext(events)), events)
        completion = await until_gone(request.receive, filling.completion())
        return json_response(Envelope(_model(service).name).whole(completion))
    except BaseException:
        filling.cancel()
        raise


async def _events(service: FimService, order: FimRequest, filling: Filling) -> AsyncGenerator[bytes, None]:
    """A stream's events; what goes wrong after the first one is an event too, since the status was sent before it."""
    envelope: Envelope | None = None
    try:
        async for text in filling.told():
            envelope = envelope or Envelope(_model(service).name)
            yield event(envelope.chunk(text))
        completion = await filling.completion()
        envelope = envelope or Envelope(_model(service).name)
        for chunk in envelope.last_chunks(completion, with_usage=order.with_usage):
            yield event(chunk)
        yield DONE
    except Exception as error:
        if envelope is None:
            raise
        yield event(ApiError.of(error).body)
    finally:
        filling.cancel()


async def _models(service: FimService, _request: Request) -> Response:
    """The one model, once it is known."""
    model = _model(service)
    row = {
        "id": model.name,
        "object": "model",
        "created": 0,
        "owned_by": "dlm-lsp",
        "name": model.name,
        "context_length": model.context_length,
    }
    return json_response({"object": "list", "data": [row]})


async def _health(service: FimService, _request: Request) -> Response:
    """Whether a request would be answered at once: 503 while the model is loaded for the first time."""
    model = service.model
    facts = {"model": model.name, "device": model.device} if model else {}
    return json_response({"status": service.state, **facts}, 200 if model else 503)


def _model(service: FimService) -> ModelFacts:
    if service.model is None:
        message = "The model is being loaded."
        raise ApiError(503, message, "server_error", code="loading", retry_after=RETRY_AFTER_SECONDS)
    return service.model


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


async def _refuse(_request: Request, error: Exception) -> Response:
    """Paths and methods that are not there."""
    assert isinstance(error, HTTPException)
    return error_response(ApiError(error.status_code, f"{error.detail}."), error.headers)


async def _answer_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)
    return error_response(error)


async def _leave(_request: Request, _error: Exception) -> Response:
    return Response(status_code=_CLIENT_GONE)  # nobody reads it
