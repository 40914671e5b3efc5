"""Who may send requests: any web page can reach a server on this machine, and other machines could.

- A web page's requests carry an `Origin`, which is refused unless the user allowed it.
- A page whose own name was made to resolve to this machine (DNS rebinding) sends no `Origin`, but that name as `Host`.
  So the `Host` has to be `localhost` or an IP address, which no name server can redirect, or a name that the user
  allowed.
- If there is a key, every request has to carry it.
"""

import hmac
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from dlm_lsp.http_api.api_error import ApiError
from dlm_lsp.http_api.responses import error_response

_PUBLIC_PATHS = frozenset({"/health"})


@dataclass(frozen=True, slots=True)
class AccessPolicy:
    """What the user allows.

    Attributes:
        hosts: Host names, in lower case, that are accepted besides `localhost` and IP addresses.
        origins: Web pages that may send requests, as browsers spell them: `https://host:port`.
        key: What every client has to send as a bearer token; None asks for none.
    """

    hosts: frozenset[str] = frozenset()
    origins: frozenset[str] = frozenset()
    key: str | None = None

    def problem(self, path: str, headers: Headers) -> ApiError | None:
        """Why a request is refused; None lets it pass."""
        if not self._knows_host(headers.get("host", "")):
            return ApiError(403, "This Host is not allowed; --allow-host adds a name.", code="host_not_allowed")
        origin = headers.get("origin")
        if origin is not None and origin not in self.origins:
            return ApiError(403, "This Origin is not allowed; --allow-origin adds one.", code="origin_not_allowed")
        is_open = self.key is None or path in _PUBLIC_PATHS
        if not is_open and not self._is_key(headers.get("authorization", "")):
            return ApiError(401, "The API key is missing or wrong.", "authentication_error", code="invalid_api_key")
        return None

    def _knows_host(self, header: str) -> bool:
        try:
            name = urlsplit(f"//{header}").hostname or ""
        except ValueError:
            return False
        return name == "localhost" or name in self.hosts or is_address(name)

    def _is_key(self, header: str) -> bool:
        scheme, _, token = header.partition(" ")
        expected = (self.key or "").encode()
        return scheme.lower() == "bearer" and hmac.compare_digest(token.strip().encode("latin-1"), expected)


def is_address(host: str) -> bool:
    """Whether this is an IP address rather than a name."""
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


class AccessGuard:
    """ASGI middleware: the app that it wraps never sees a request that the policy refuses."""

    def __init__(self, app: ASGIApp, policy: AccessPolicy) -> None:
        """Guard an app."""
        self._app = app
        self._policy = policy

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse a request, or hand it on."""
        problem = self._policy.problem(scope["path"], Headers(scope=scope))
        await (error_response(problem) if problem else self._app)(scope, receive, send)
