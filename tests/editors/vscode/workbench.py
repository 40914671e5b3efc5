"""A window of a real VS Code, as the tests drive it: the workbench in a headless Chromium."""

import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from playwright.sync_api import Browser, Error, Locator, Page, sync_playwright

from tests.editors.vscode.code_server import WAIT_SECONDS, CodeServer, until

PATIENCE_SECONDS = 3.0
CHROMIUM_FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
CONFIGURED = "Sending response 'workspace/configuration"


class Frame(NamedTuple):
    """The texts at the cursor; a draft is `stable|guessed`, or one of the two."""

    draft: str
    ghost: str


class Workbench:
    """Does and sees what a person does and sees in a window of VS Code.

    Attributes:
        is_spoilt: Whether a test has failed in the window, and left it in whatever state.
    """

    def __init__(self, browser: Browser, server: CodeServer, file: Path) -> None:
        self.server = server
        self.is_spoilt = False
        self._browser = browser
        self._file = file
        self.page = self._open_page()

    @classmethod
    @contextmanager
    def opened(cls, server: CodeServer, file: Path) -> Iterator["Workbench"]:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=list(CHROMIUM_FLAGS))
            yield cls(browser, server, file)
            browser.close()

    def start_over(self) -> None:
        """Have another window in the place of this one, with nothing unsaved, and the settings of the beginning."""
        with suppress(Error):  # it may have crashed
            self.page.goto("about:blank")  # VS Code takes its leave of the server
        self.page.close()
        self.server.reset_settings()
        self.page = self._open_page()

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def type(self, text: str) -> None:
        self.page.keyboard.type(text, delay=20)

    def run(self, title: str, category: str = "dlm-lsp") -> None:
        """A command by its title in the palette."""
        self.press("F1")
        self.page.locator(".quick-input-widget input.input").wait_for()
        self.page.keyboard.type(f"{category}: {title}")
        self.choose(title)

    def choose(self, label: str) -> None:
        """An entry of the list that is open."""
        self.page.locator(".quick-input-list .monaco-list-row", has_text=label).first.click()

    def close_all(self) -> None:
        """Close every editor, and discard unsaved changes."""
        tabs, give_up = self.page.locator(".tab"), self.page.get_by_role("button", name="Don't Save")
        self.run("Close All Editors", "View")
        until(lambda: tabs.count() == 0 or give_up.count(), "the editors to close, or a question")
        if give_up.count():
            give_up.click()
        tabs.first.wait_for(state="detached")

    def open(self, name: str, text: str) -> Path:
        """Write a file of the workspace, and show it with the cursor at its beginning."""
        file = self.server.workspace / name
        file.write_text(text)
        self.press("Control+P")
        self.page.locator(".quick-input-widget input.input").wait_for()
        self.page.keyboard.type(str(file))
        self.choose(name)
        self.page.locator(f'.tab.active[data-resource-name="{name}"]').wait_for()
        self.page.locator(".monaco-editor.focused").first.wait_for()
        return file

    def open_at_end(self, name: str, text: str) -> Path:
        file = self.open(name, text)
        self.press("Control+End")
        return file

    def go_to_line_end(self, line: int) -> None:
        self.press("Control+G")
        self.page.locator(".quick-input-widget input.input").wait_for()
        self.page.keyboard.type(str(line))
        self.press("Enter", "End")

    @contextmanager
    def settings(self, settings: Mapping[str, object]) -> Iterator[None]:
        """Add these settings to the machine's for a while; VS Code does not watch the user's file."""
        before = self.server.read_settings("Machine")
        with self.reconfigured():
            self.server.write_settings("Machine", before | settings)
        yield
        with self.reconfigured():  # or they would stop a request of the next test
            self.server.write_settings("Machine", before)

    @contextmanager
    def reconfigured(self) -> Iterator[None]:
        """Wait after this context until the settings that were changed in it have reached the server."""
        changes = self.server.log().count(CONFIGURED)
        yield
        until(lambda: self.server.log().count(CONFIGURED) > changes, "the settings to reach the server")

    @property
    def ghost(self) -> str:
        """The ghost text that is shown now, line by line."""
        lines: list[str] = self.page.evaluate(GHOST_LINES)
        return "\n".join(lines).replace("\xa0", " ").rstrip()

    @property
    def draft(self) -> str:
        """As in a `Frame`."""
        return "|".join(self.page.evaluate(DRAWN_BESIDE_THE_CURSOR))

    def wait_for_ghost(self) -> str:
        """Wait for ghost text and then for the next frame, which lays its lines out."""
        until(lambda: self.ghost, "ghost text")
        self.page.evaluate(A_FRAME)
        return until(lambda: self.ghost, "ghost text")

    def ask_for_ghost(self) -> str:
        """Ask for ghost text until it is there: a client that is restarting its server ignores the first request."""

        def ask() -> str:
            self.press("Alt+Backslash")
            end = time.monotonic() + PATIENCE_SECONDS
            while not self.ghost and time.monotonic() < end:
                time.sleep(0.05)
            return self.ghost

        until(ask, "ghost text")
        return self.wait_for_ghost()

    @contextmanager
    def filmed(self) -> Iterator[list[Frame]]:
        """The texts at the cursor in every frame that the browser draws meanwhile, without immediate repetitions."""
        film: list[Frame] = []
        self.page.evaluate(FILM)
        yield film
        film += (Frame(*frame) for frame in self.page.evaluate("() => window.stopFilming()"))

    @property
    def status(self) -> str:
        return self._status_item("dlm-lsp.status").inner_text()

    @property
    def dial(self) -> str:
        return self._status_item("dlm-lsp.dial").inner_text()

    def wait_for_status(self, text: str) -> None:
        self._status_item("dlm-lsp.status").filter(has_text=text).wait_for()

    def wait_until_ready(self) -> None:
        """Wait until the server runs, by the label that screen readers read."""
        self.page.locator('[id$="dlm-lsp.status"] [aria-label^="dlm-lsp normal"]').wait_for()

    def wait_for_fill(self) -> None:
        """Wait for the diff with the whole fill, and its buttons."""
        self.page.get_by_role("button", name="Apply Fill").wait_for()

    def apply_fill(self) -> None:
        self._leave_fill("Control+Enter")

    def discard_fill(self) -> None:
        self._leave_fill("Escape")

    def editor_text(self) -> str:
        """The lines that are visible in the editor in front."""
        lines = self.page.locator(".editor-group-container.active .monaco-editor.focused .view-line")
        tops: list[tuple[float, str]] = lines.evaluate_all(
            "lines => lines.map(line => [parseFloat(line.style.top), line.textContent])"
        )
        return "\n".join(text for _, text in sorted(tops)).replace("\xa0", " ")

    def save(self, file: Path) -> str:
        """Save a file; returns its text once there is any, because the editor empties a file before it writes."""
        before = file.stat().st_mtime_ns
        self.press("Control+S")
        until(lambda: file.stat().st_mtime_ns != before and file.stat().st_size > 0, f"{file.name} on disk")
        return file.read_text()

    def _open_page(self) -> Page:
        page = self._browser.new_page(viewport={"width": 1100, "height": 620}, device_scale_factor=1.5)
        page.set_default_timeout(WAIT_SECONDS * 1000)
        page.goto(self.server.address(self._file))
        return page

    def _leave_fill(self, key: str) -> None:
        self.press(key)
        self.page.locator(".tab", has_text="Fill ").wait_for(state="detached")
        self.page.locator(".monaco-editor.focused").first.wait_for()

    def _status_item(self, name: str) -> Locator:
        return self.page.locator(f'[id$="{name}"]')


A_FRAME = "() => new Promise((done) => requestAnimationFrame(() => setTimeout(done)))"
GHOST_LINES = """
() => {
    const lines = new Map();
    for (const part of document.querySelectorAll('[class*="ghost-text"]')) {
        if (!part.querySelector('[class*="ghost-text"]') && part.textContent) {
            const top = Math.round(part.getBoundingClientRect().top);
            lines.set(top, (lines.get(top) ?? '') + part.textContent);
        }
    }
    return [...lines.keys()].sort((a, b) => a - b).map((top) => lines.get(top));
}
"""
DRAWN_BESIDE_THE_CURSOR = """
() => [...document.querySelectorAll('.monaco-editor .view-lines [class*="ced-"]')].flatMap((span) =>
    ['::before', '::after'].map((pseudo) => getComputedStyle(span, pseudo).content))
    .filter((content) => content !== 'none' && content !== 'normal')
    .map((content) => content.slice(1, -1))
"""
FILM = f"""
() => {{
    const look = () => [({DRAWN_BESIDE_THE_CURSOR})().join('|'), ({GHOST_LINES})().join('\\n')];
    const film = [look()];
    // Of all that runs in a frame, observers of sizes come last before it is painted: by then VS Code has rendered.
    const probe = document.body.appendChild(document.createElement('div'));
    probe.style.position = 'fixed';
    const observer = new ResizeObserver(() => {{
        const frame = look();
        if (frame.some((text, which) => text !== film.at(-1)[which])) {{
            film.push(frame);
        }}
    }});
    observer.observe(probe);
    let next;
    const shoot = () => {{
        probe.style.width = probe.style.width === '1px' ? '2px' : '1px';
        next = requestAnimationFrame(shoot);
    }};
    shoot();
    window.stopFilming = () => {{
        cancelAnimationFrame(next);
        observer.disconnect();
        probe.remove();
        return film;
    }};
}}
"""
