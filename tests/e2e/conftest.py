"""The real `dlm-lsp serve` with the weights that ship, and an editor talking to it."""

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from tests.editor_client import EditorClient

CONFIG = 'device = "cpu"\nnum_steps = 2\nmax_middle_tokens = 16\nmax_prompt_tokens = 64\n'
"""Weak and fast: these tests are about the protocol, and a CPU runs them."""

STDIO = ("--stdio", "--node-ipc", "--foo=bar", "extra")
"""What client libraries add, known to us and not."""

StartServer = Callable[..., Awaitable[EditorClient]]


@pytest.fixture(scope="module")
def serve_command() -> list[str]:
    return [sys.executable, "-P", "-m", "dlm_lsp", "serve"]


@pytest.fixture(scope="module")
def server_environment(child_environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Options for these tests, in place of the user's."""
    folder = tmp_path_factory.mktemp("config")
    (folder / "dlm-lsp").mkdir()
    (folder / "dlm-lsp" / "config.toml").write_text(CONFIG)
    return {**child_environment, "XDG_CONFIG_HOME": str(folder)}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def start_server(
    serve_command: list[str], server_environment: dict[str, str], repository_root: Path
) -> AsyncIterator[StartServer]:
    """Start a server over stdio; it must end by itself with exit code 0 when it is asked to."""
    editors: list[EditorClient] = []

    async def start(**environment: str) -> EditorClient:
        editor = EditorClient()
        editors.append(editor)
        environment = server_environment | environment
        await editor.start_io(*serve_command, *STDIO, env=environment, cwd=repository_root)
        return editor

    yield start
    for editor in editors:
        await end(editor)


async def end(editor: EditorClient) -> None:
    """Shut a server down, and wait for it."""
    try:
        async with asyncio.timeout(20):
            await editor.shutdown_async(None)
            editor.exit(None)
            assert await editor.process.wait() == 0
    finally:
        if editor.process.returncode is None:
            editor.process.kill()
        await editor.stop()
