"""VS Code with the extension that `npm run package` built, the real daemon, and the weights that ship."""

import os
import shutil
import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

import pytest
from playwright.sync_api import Error

from tests.editors.scripted_daemon import ScriptedDaemon
from tests.editors.vscode.code_server import CodeServer, until
from tests.editors.vscode.workbench import Workbench

REQUIRED = "DLM_LSP_EDITORS_REQUIRED"
"""Environment variable that turns a missing editor from a reason to skip into a failure."""

PICTURES = "DLM_LSP_PICTURES"
"""Environment variable that has the pictures of the READMEs taken anew."""

NUM_STEPS = 4
CONFIG = (
    f'device = "cpu"\nnum_steps = {NUM_STEPS}\nmax_middle_tokens = 48\nmax_prompt_tokens = 256\nrequire_valid = false\n'
)
"""Fast enough for a CPU, and shown whatever so few steps come to. In the user's own file, which what nobody touched in
VS Code must not overrule."""

GREETING = "def greet(name):\n"


@pytest.fixture(scope="session")
def extension(repository_root: Path) -> Path:
    return repository_root / "editors/vscode"


@pytest.fixture(scope="session")
def installation(repository_root: Path) -> Path:
    """Where `install.sh` put VS Code."""
    folder = repository_root / "build/vscode-workbench"
    if not (folder / "installed").exists() or not shutil.which("chromium"):
        _missing("VS Code or Chromium is not installed: run tests/editors/vscode/install.sh")
    return folder


@pytest.fixture(scope="session")
def vsix(extension: Path) -> Path:
    file = extension / "dlm-lsp.vsix"
    if not file.exists():
        _missing("the extension is not built: run `npm ci && npm run package` in editors/vscode")
    sources = (extension / "package.json", *(extension / "src").iterdir())
    if file.stat().st_mtime < max(source.stat().st_mtime for source in sources):
        _missing("the extension is older than its sources: run `npm run package` in editors/vscode")
    return file


@pytest.fixture(scope="session")
def editor(installation: Path, vsix: Path) -> tuple[Path, Path]:
    """VS Code, and the extension to be installed in it."""
    return installation, vsix


@pytest.fixture(scope="session")
def sshd() -> Path:
    """OpenSSH's server, which anyone may start, on a port and with a configuration of their own."""
    found = shutil.which("sshd", path=os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin")))
    if not found or not shutil.which("ssh"):
        _missing("OpenSSH is not installed: run tests/editors/vscode/install.sh")
    if os.geteuid() == 0 and not Path("/run/sshd").is_dir():
        _missing("root's sshd wants a folder /run/sshd: run tests/editors/vscode/install.sh")
    return Path(found)


@pytest.fixture(scope="module")
def daemon(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> ScriptedDaemon:
    """The server for modules that say what it fills in: the text `MIDDLE`."""
    daemon = ScriptedDaemon(tmp_path_factory.mktemp("daemon"))
    daemon.fills_in(request.module.MIDDLE)
    return daemon


@pytest.fixture(scope="module")
def server_command(request: pytest.FixtureRequest) -> list[str]:
    """The scripted server for modules that have a `MIDDLE`, the real one for all others."""
    if hasattr(request.module, "MIDDLE"):
        daemon: ScriptedDaemon = request.getfixturevalue("daemon")
        return daemon.command
    command = Path(sys.executable).with_name("dlm-lsp")
    if not command.exists():
        _missing("dlm-lsp is not installed beside this Python")
    return [str(command)]


@pytest.fixture(scope="module")
def trusts_workspaces() -> bool:
    """Whether workspaces are trusted; modules that test trust override it."""
    return True


@pytest.fixture(scope="module")
def code_server(
    editor: tuple[Path, Path],
    server_command: list[str],
    trusts_workspaces: bool,
    child_environment: dict[str, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[CodeServer]:
    folder = tmp_path_factory.mktemp("vscode")
    config = folder / "config/dlm-lsp/config.toml"
    config.parent.mkdir(parents=True)
    config.write_text(CONFIG)
    environment = {**child_environment, "XDG_CONFIG_HOME": str(folder / "config")}
    settings = {"dlm-lsp.server.command": server_command}
    server = CodeServer(*editor, folder, environment, trusts_workspaces=trusts_workspaces, settings=settings)
    with server.running():
        yield server


@pytest.fixture(scope="module")
def window(code_server: CodeServer) -> Iterator[Workbench]:
    """One window for the tests of a module."""
    file = code_server.workspace / "greeting.py"
    file.write_text(GREETING)
    with Workbench.opened(code_server, file) as window:
        _await_file_and_server(window)
        yield window


@pytest.fixture
def workbench(window: Workbench) -> Workbench:
    """The window, which has a Python file open, and the server runs; another one after a test that failed."""
    if window.is_spoilt:
        window.start_over()
        _await_file_and_server(window)
        window.is_spoilt = False
    return window


def _await_file_and_server(window: Workbench) -> None:
    window.page.locator(".monaco-editor .view-line").first.click()
    window.wait_until_ready()
    window.press("Control+B")  # no side bar: the editor has the window to itself


@pytest.fixture
def picture(workbench: Workbench, extension: Path) -> Callable[[str], None]:
    """Take a picture of the window, for the READMEs and to look at in a test's folder."""
    folder = extension / "images" if os.environ.get(PICTURES) else workbench.server.folder

    def take(name: str) -> None:
        workbench.page.mouse.move(0, 0)  # otherwise a tooltip at the mouse would be in the picture
        until(lambda: workbench.page.locator(".monaco-hover:visible").count() == 0, "the hover to go")
        workbench.page.screenshot(path=folder / name)

    return take


def _missing(reason: str) -> NoReturn:
    if os.environ.get(REQUIRED):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Take a picture of the window when a test fails, beside its report, and leave that window to nobody else."""
    report = yield
    workbench = getattr(item, "funcargs", {}).get("workbench")
    if report.failed and report.when != "teardown" and isinstance(workbench, Workbench):
        workbench.is_spoilt = True
        picture = workbench.server.folder / f"{item.name}.png"
        with suppress(Error):  # of a window that has crashed
            workbench.page.screenshot(path=picture)
            report.sections.append(("window", str(picture)))
    return report
