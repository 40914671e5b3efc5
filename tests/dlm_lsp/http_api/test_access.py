"""Access: refused to pages of other sites, and under host names that another name server gave to this machine."""

import pytest
from starlette.datastructures import Headers

from dlm_lsp.http_api.access import AccessPolicy

FIM, HEALTH = "/v1/fim/completions", "/health"


def code(policy: AccessPolicy, path: str = FIM, **headers: str) -> str | None:
    problem = policy.problem(path, Headers({"host": "localhost:8791", **headers}))
    return problem.code if problem else None


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:8791", "127.0.0.1:8791", "[::1]:8791", "192.168.1.7", "workstation:8791"]
)
def test_hosts_that_are_known(host: str) -> None:
    assert code(AccessPolicy(hosts=frozenset({"workstation"})), host=host) is None


@pytest.mark.parametrize(
    "host", ["", "evil.example", "localhost.evil.example:8791", "127.0.0.1.evil.example", "[::1", "a@b"]
)
def test_hosts_that_are_not(host: str) -> None:  # fmt: skip
    assert code(AccessPolicy(), host=host) == "host_not_allowed"
    assert code(AccessPolicy(), HEALTH, host=host) == "host_not_allowed"


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://localhost:8791", ""])
def test_pages_are_refused(origin: str) -> None:
    policy = AccessPolicy(origins=frozenset({"http://localhost:3000"}))
    assert code(policy, origin=origin) == "origin_not_allowed"


def test_a_page_that_is_allowed() -> None:
    policy = AccessPolicy(origins=frozenset({"http://localhost:3000"}))
    assert code(policy, origin="http://localhost:3000") is None


@pytest.mark.parametrize("sent", ["", "Bearer", "Bearer wrong", "Bearer secret2", "Basic secret", "secret", "Bearer é"])
def test_a_key_that_is_not_the_key(sent: str) -> None:
    assert code(AccessPolicy(key="secret"), authorization=sent) == "invalid_api_key"


@pytest.mark.parametrize("sent", ["Bearer secret", "bearer  secret"])
def test_the_key(sent: str) -> None:
    assert code(AccessPolicy(key="secret"), authorization=sent) is None


def test_health_needs_no_key() -> None:
    assert code(AccessPolicy(key="secret"), HEALTH) is None
