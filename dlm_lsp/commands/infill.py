"""`dlm-lsp infill`: one hole of one file, from the arguments of the command line to text on standard output."""

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from types import FrameType

from rich.console import Console

from dlm_lsp.commands.daemon_client import DaemonClient
from dlm_lsp.commands.loading import load_engine, require_guide
from dlm_lsp.commands.rendering import apply_fill, coloured, render_diff, render_json, summarize
from dlm_lsp.commands.sources import Source, read_source, read_stdin, write_in_place, writing_stdout
from dlm_lsp.commands.tables import shows_colours
from dlm_lsp.commands.targets import Target, cut_marker, locate
from dlm_lsp.commands.watch import CanvasView, DraftView, StepCounter
from dlm_lsp.documents.document import Snapshot
from dlm_lsp.documents.exclusions import file_reason
from dlm_lsp.engine_facts import EngineFacts
from dlm_lsp.errors import NothingToShowError, UnreadableDocumentError, UsageError
from dlm_lsp.fills import NO_ANCHORS, Anchors, RankedFill
from dlm_lsp.hole_request import HoleRequest
from dlm_lsp.infilling import fills_of, infill, nothing_to_go_by
from dlm_lsp.languages import language_for
from dlm_lsp.options import Settings
from dlm_model.request import CancelToken, Draft

Denoise = Callable[[HoleRequest, CancelToken], Iterator[Draft]]
"""`dlm_lsp.infilling.infill` by some engine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """What to do with the fill; without any of these, it is printed alone.

    Attributes:
        as_json: Print one JSON object.
        as_diff: Print a unified diff.
        in_place: Write the file instead of printing the text.
        watch: Show the canvas sharpening on standard error.
    """

    as_json: bool = False
    as_diff: bool = False
    in_place: bool = False
    watch: bool = False

    def __post_init__(self) -> None:
        """Refuse two formats for one stream.

        Raises:
            UsageError: JSON and a diff at once.
        """
        if self.as_json and self.as_diff:
            raise UsageError("--json and --diff both print to standard output; use only one of them.")


@dataclass(frozen=True, slots=True)
class Work:
    """A hole in a document, ready for an engine."""

    source: Source
    request: HoleRequest

    @property
    def text(self) -> str:
        """The document, without a marker."""
        return self.request.hole.snapshot.text

    @property
    def written(self) -> str:
        """What a change is told against: a file as it is; of standard input, which only repeats one, the document."""
        return self.source.text if self.source.path else self.text


def run_infill(
    target: Target,
    stdin_filename: str | None,
    settings: Settings,
    output: Output,
    anchors: Anchors,
    *,
    daemon: str | None = None,
) -> None:
    """Fill one hole and put the result where `output` says.

    Args:
        target: The file, and where in it the hole is.
        stdin_filename: Tells the language of standard input.
        settings: The user's, and the command's flags.
        output: Where the result goes.
        anchors: What the fill must hold.
        daemon: The socket of the daemon whose engine fills the hole; None loads one.

    Raises:
        DlmLspError: the target, the document or the output is not usable, or there is nothing to show.
        ModelError: the model or the device is not usable.
        KeyboardInterrupt: Ctrl-C.
    """
    if output.in_place and target.is_stdin:
        raise UsageError("--in-place needs a file; standard input cannot be written.")
    require_valid = settings.requires_valid(by_default=output.in_place)
    work = open_work(target, stdin_filename, settings, anchors, require_valid=require_valid)
    console = Console(stderr=True)
    with _engine(settings, daemon, console) as (engine, denoise):
        if not engine.sees_suffix:
            console.print(f"{engine.model_name} sees no suffix, only what stands before the hole.", markup=False)
        draft = fill(denoise, work, make_view(console, work, output))
    report(engine, work, draft, output)


def open_work(
    target: Target,
    stdin_filename: str | None,
    settings: Settings,
    anchors: Anchors = NO_ANCHORS,
    *,
    require_valid: bool = False,
) -> Work:
    """Read the document and find the hole; no model is needed for it.

    Raises:
        UsageError: the file, the position, the function or the marker is not there.
        UnsupportedLanguageError: no grammar for the file.
        UnreadableDocumentError: binary, not UTF-8, too large, or kept out of prompts.
        NothingToShowError: nothing stands around the hole.
    """
    if target.is_stdin and stdin_filename is None:
        raise UsageError("Reading standard input needs --stdin-filename NAME, whose suffix determines the language.")
    if not target.is_stdin and stdin_filename is not None:
        raise UsageError("--stdin-filename can be used only with -, which reads standard input.")
    max_chars = settings.max_document_chars
    if stdin_filename is None:
        source = read_source(target.path, max_chars=max_chars)
    else:
        source = read_stdin(stdin_filename, max_chars=max_chars)
    language = language_for(source.name, None, source.text)
    _refuse_excluded(source, settings)
    text, marker = source.text, None
    if target.needs_marker:
        text, marker = cut_marker(text, None if target.is_stdin else source.name)
    snapshot = Snapshot.parse(source.uri, language, text)
    hole = locate(target, snapshot, source.name, marker)
    if reason := nothing_to_go_by(hole.prefix, hole.suffix, f"{source.name} is blank around the hole"):
        raise NothingToShowError(f"{reason}.")
    request = HoleRequest(
        hole,
        settings.decode,
        max_prompt_tokens=settings.max_prompt_tokens,
        anchors=anchors,
        require_valid=require_valid,
    )
    return Work(source, request)


def fill(denoise: Denoise, work: Work, view: DraftView) -> Draft:
    """Denoise the hole while a view shows the drafts.

    Raises:
        KeyboardInterrupt: Ctrl-C, after the engine has stopped.
        RequestError: the request does not fit the model's context.
    """
    cancel = CancelToken()
    drafts = denoise(work.request, cancel)
    with _cancelled_by_ctrl_c(cancel), view:
        for draft in drafts:
            view.show(draft)
    if draft.finish_reason == "cancelled":
        raise KeyboardInterrupt
    return draft


def report(engine: EngineFacts, work: Work, draft: Draft, output: Output) -> None:
    """Put the best fill where it was asked for.

    Raises:
        NothingToShowError: the model has nothing for this hole, nothing within the deadline, nothing that holds the
            anchors, or nothing valid where that is required (JSON is printed all the same).
        UsageError: the file changed meanwhile, or cannot be written.
    """
    place = f"this hole in {work.source.name}"
    fills, reason = fills_of(work.request, draft, place=place, deadline_option="--deadline-ms")
    if fills and output.in_place:
        write_in_place(work.source, apply_fill(work.text, fills[0].fill))
    _print(engine, work, draft, fills, output)
    if not fills:
        raise NothingToShowError(f"{reason[0].upper()}{reason[1:]}.")


def make_view(console: Console, work: Work, output: Output) -> DraftView:
    """The canvas for `--watch`, a spinner otherwise."""
    if not output.watch:
        return StepCounter("denoising", console=console)
    hole = work.request.hole
    # Where the result is printed on the same terminal, the canvas would only repeat it.
    stays = output.in_place or not sys.stdout.isatty()
    return CanvasView(console, prefix=hole.prefix, suffix=hole.suffix, stays=stays)


@contextmanager
def _engine(settings: Settings, daemon: str | None, console: Console) -> Iterator[tuple[EngineFacts, Denoise]]:
    """An engine of this process, or a daemon's."""
    if daemon is None:
        engine = load_engine(settings, console)
        yield EngineFacts.of(engine), partial(infill, engine)
        return
    require_guide(settings.decode.guide)
    with DaemonClient(daemon) as client:
        with console.status("waiting for the daemon's model"):
            described = client.await_engine()
        yield described, client.infill


def _refuse_excluded(source: Source, settings: Settings) -> None:
    # An option that switches automatic completions off is not meant for a user who names the file.
    if reason := file_reason(source.name, len(source.text), settings):
        raise UnreadableDocumentError(f"{source.name} is not filled: {reason}.")


def _print(
    engine: EngineFacts,
    work: Work,
    draft: Draft,
    fills: tuple[RankedFill, ...],
    output: Output,
) -> None:
    with writing_stdout() as stdout:
        if output.as_json:
            with_candidates = work.request.options.num_candidates > 1
            name, lines = work.source.name, work.request.hole.snapshot.lines
            stdout.write(render_json(engine, draft, fills, name, lines, with_candidates=with_candidates) + "\n")
        elif fills and output.as_diff:
            after = apply_fill(work.text, fills[0].fill)
            diff = render_diff(work.source.name, work.written, after)
            stdout.write(coloured(diff) if shows_colours(stdout) else diff)
        elif fills and not output.in_place:
            text = fills[0].fill.text
            stdout.write(text if text.endswith(("\n", "\r")) else f"{text}\n")
    if fills and (sys.stderr.isatty() or output.watch):
        sys.stderr.write(f"dlm-lsp: {summarize(engine, draft, fills[0])}\n")
    elif fills and not fills[0].fill.parse_valid and not output.as_json:
        sys.stderr.write(f"dlm-lsp: The fill adds syntax errors to {work.source.name}.\n")
    if fills and (output.as_diff or output.in_place) and apply_fill(work.text, fills[0].fill) == work.written:
        sys.stderr.write(
            f"dlm-lsp: The fill is the same as the existing text; nothing changes in {work.source.name}.\n"
        )


@contextmanager
def _cancelled_by_ctrl_c(cancel: CancelToken) -> Iterator[None]:
    """Turn the first Ctrl-C into a cancel; a second one interrupts at once."""

    def on_interrupt(_signal: int, _frame: FrameType | None) -> None:
        cancel.cancel()
        signal.signal(signal.SIGINT, signal.default_int_handler)

    previous = signal.signal(signal.SIGINT, on_interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous)
