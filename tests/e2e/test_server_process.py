"""The real server as a process: how it is started, the environment it gets, and how it ends."""

import asyncio
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from lsprotocol import types

from tests.e2e.conftest import StartServer
from tests.editor_client import EditorClient

pytestmark = pytest.mark.asyncio(loop_scope="module")

SPEAKS_UTF_8 = types.ClientCapabilities(
    general=types.GeneralClientCapabilities(position_encodings=[types.PositionEncodingKind.Utf8])
)
SLOW = {"drafts": True, "draftIntervalMs": 0, "numSteps": 500, "schedule": "linear", "maxMiddleTokens": 256}


async def test_garbage_in_every_source_of_options_is_reported_and_survived(
    start_server: StartServer, tmp_path: Path
) -> None:
    (tmp_path / "dlm-lsp").mkdir()
    (tmp_path / "dlm-lsp" / "config.toml").write_text("num_steps = [\n")
    editor = await start_server(XDG_CONFIG_HOME=str(tmp_path))
    await editor.start(options={"numSteps": "all"})
    status = await editor.status("warning")
    assert "config.toml: this is not TOML" in status.message
    assert "numSteps must be a whole number" in status.message
    editor.open("# nothing\n", uri="untitled:Untitled-1", language_id="markdown")
    assert await editor.complete(0, 0, uri="untitled:Untitled-1") == []
    assert "markdown" in (await editor.status("inactive")).message


async def test_over_tcp(serve_command: list[str], server_environment: dict[str, str], repository_root: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        *serve_command,
        *("--tcp", "--port", "0"),
        env=server_environment,
        cwd=repository_root,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr
    editor = EditorClient()
    try:
        announcement = (await process.stderr.readline()).decode()
        assert "listening on 127.0.0.1:" in announcement
        await editor.start_tcp("127.0.0.1", int(announcement.rpartition(":")[2]))
        await editor.start()
        await editor.shutdown_async(None)
        editor.exit(None)
        assert await asyncio.wait_for(process.wait(), 20) == 0
    finally:
        if process.returncode is None:
            process.kill()
        await editor.stop()


async def test_the_installed_command_fills_in_utf_8_until_its_editor_is_killed(
    serve_command: list[str], server_environment: dict[str, str], repository_root: Path
) -> None:
    installed = shutil.which("dlm-lsp", path=str(Path(sys.executable).parent))
    command = [installed, "serve"] if installed else serve_command
    editor = EditorClient()
    await editor.start_io(*command, "--stdio", env=server_environment, cwd=repository_root)
    try:
        with subprocess.Popen(["sleep", "600"]) as parent:
            await editor.start(SPEAKS_UTF_8, options=SLOW, process_id=parent.pid)
            editor.open('name = "😀😀"; size = le\n')
            request = asyncio.ensure_future(editor.complete(0, 28))
            await editor.until(lambda: bool(editor.drafts))
            parent.kill()
        draft = editor.drafts[0]
        assert (draft.range.start.character, draft.range.end.character) == (28, 28)
        assert await asyncio.wait_for(editor.process.wait(), 20) == 1
        assert editor.drafts[-1].finishReason is None, "it was not killed in the middle of a fill"
        request.cancel()
    finally:
        if editor.process.returncode is None:
            editor.process.kill()
        await editor.stop()
