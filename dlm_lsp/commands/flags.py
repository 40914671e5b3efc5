"""The flags of `dlm-lsp`, as types for typer: name, help and panel of each. An option's help is its own meaning."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from dlm_lsp.commands.completions import (
    Offers,
    complete_assignment,
    complete_guide,
    complete_method,
    complete_model,
    complete_opponent,
)
from dlm_lsp.commands.settings import flag_name
from dlm_lsp.options import find_option
from dlm_model.decode_options import Schedule, Selection
from dlm_model.network.precision import Precision

_WHERE = "Where the hole is"

INFILL_EXAMPLES = """Examples:
  dlm-lsp infill src/app.py:12:5 --diff
  dlm-lsp infill src/app.py --function App.run --in-place
  dlm-lsp infill src/app.py:12:5 -n 3 --json
  dlm-lsp infill - --stdin-filename app.py < draft.py    # <FILL> marks the hole
"""

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 8765
DEFAULT_HTTP_PORT = 8791
DEFAULT_IDLE_EXIT_MINUTES = 30.0


def _hole(flag: str, text: str, metavar: str) -> object:
    return typer.Option(flag, help=text, metavar=metavar, show_default=False, rich_help_panel=_WHERE)


def _option(
    spelling: str,
    panel: str,
    metavar: str | None,
    *,
    short: str | None = None,
    complete: Callable[[str], Offers] | None = None,
    more: str = "",
) -> object:
    """The flag of an option, by one of its names, and in short; its help is the option's meaning, and perhaps more."""
    option = find_option(spelling)
    assert option, f"{spelling} is not an option"
    names_default = "`null`" in option.meaning
    meaning = option.meaning.replace("`null`", "the default").replace("`", "")
    default = "" if names_default else f" Default: {'none' if option.default is None else option.default}."
    text = f"{meaning[0].upper()}{meaning[1:]}.{more}{default}"
    names = (flag_name(spelling), *([short] if short else []))
    return typer.Option(
        *names, help=text, metavar=metavar, show_default=False, rich_help_panel=panel, autocompletion=complete
    )


def _decoder(spelling: str, metavar: str | None = None, short: str | None = None, more: str = "") -> object:
    return _option(spelling, "Decoder", metavar, short=short, more=more)


def _model(spelling: str, metavar: str | None = None) -> object:
    return _option(spelling, "Model", metavar)


def _output(flag: str, text: str) -> object:
    return typer.Option(flag, help=text, rich_help_panel="Output")


def _server(flag: str, text: str, metavar: str | None = None) -> object:
    return typer.Option(flag, help=text, metavar=metavar, rich_help_panel="Server")


TargetArgument = Annotated[
    str,
    typer.Argument(
        metavar="FILE[:LINE[:COL]]",
        help="File and cursor. Lines and columns count from 1, in characters; without a column, the cursor is at the "
        "end of the line. Without a line, --function or --range, a <FILL> in the text marks the hole. Use - for "
        "standard input.",
        show_default=False,
    ),
]
Function = Annotated[
    str | None,
    _hole("--function", "Fill the body of this function, if it has no code yet; Class.method names a method.", "NAME"),
]
Replace = Annotated[
    bool,
    typer.Option("--replace", help="With --function: rewrite a body that already has code.", rich_help_panel=_WHERE),
]
Range = Annotated[str | None, _hole("--range", "Replace this range; its end is exclusive.", "L1:C1-L2:C2")]
StdinFilename = Annotated[
    str | None,
    _hole("--stdin-filename", "File name that determines the language of standard input; required with -.", "NAME"),
]

Steps = Annotated[int | None, _decoder("steps")]
ScheduleFlag = Annotated[Schedule | None, _decoder("schedule", "NAME")]
SelectionFlag = Annotated[Selection | None, _decoder("selection", "NAME")]
Threshold = Annotated[float | None, _decoder("threshold")]
DeadlineMs = Annotated[float | None, _decoder("deadline_ms")]
NumCandidates = Annotated[int | None, _decoder("n", short="-n", more=" The best is printed; --json shows them all.")]
Seed = Annotated[int | None, _decoder("seed")]
Temperature = Annotated[float | None, _decoder("temperature")]
RefreshInterval = Annotated[int | None, _decoder("refresh_interval")]
Guide = Annotated[str | None, _option("guide", "Decoder", "NAME", complete=complete_guide)]
MethodName = Annotated[
    str | None,
    typer.Argument(metavar="NAME", help="Show only this method.", autocompletion=complete_method, show_default=False),
]
MethodNames = Annotated[
    list[str] | None,
    typer.Option(
        "--method",
        help="A method from dlm-lsp methods; repeat the flag to combine several.",
        autocompletion=complete_method,
        metavar="NAME",
        show_default=False,
        rich_help_panel="Decoder",
    ),
]
Assignments = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        help="Set any option of the decoder, by any of its names.",
        autocompletion=complete_assignment,
        metavar="OPTION=VALUE",
        show_default=False,
        rich_help_panel="Decoder",
    ),
]
Keep = Annotated[
    list[str] | None,
    typer.Option(
        "--keep",
        help="Text that the fill must contain; repeat the flag for several, in their order.",
        metavar="TEXT",
        show_default=False,
        rich_help_panel="Requirements for the fill",
    ),
]
Closing = Annotated[
    str,
    typer.Option(
        "--closing",
        help="Text that the fill must end with.",
        metavar="TEXT",
        show_default=False,
        rich_help_panel="Requirements for the fill",
    ),
]
RequireValid = Annotated[
    bool | None,
    typer.Option(
        "--require-valid/--no-require-valid",
        help="Print nothing rather than a fill that adds syntax errors; the default with --in-place.",
        show_default=False,
        rich_help_panel="Requirements for the fill",
    ),
]

Against = Annotated[
    str,
    typer.Option(
        "--against",
        help="The causal model to race against, which needs the same tokenizer: a name from dlm-lsp models list, or "
        "the path of a checkpoint folder, which must contain a slash. Default: the model's own guide, or else the "
        "model itself.",
        metavar="NAME",
        autocompletion=complete_opponent,
        show_default=False,
        rich_help_panel="Model",
    ),
]

Model = Annotated[str | None, _option("model", "Model", "MODEL", complete=complete_model)]
Device = Annotated[str | None, _model("device", "DEVICE")]
PrecisionFlag = Annotated[Precision | None, _model("precision")]

ByDaemon = Annotated[
    str | None,
    typer.Option(
        "--connect",
        help="Use the model of the daemon on this socket (`dlm-lsp serve --socket PATH`) instead of loading one.",
        metavar="PATH",
        rich_help_panel="Model",
    ),
]

AsJson = Annotated[bool, _output("--json", "Print one JSON object.")]
AsDiff = Annotated[bool, _output("--diff", "Print a unified diff.")]
EveryFinding = Annotated[bool, _output("--verbose", "Print a line for each grammar and each file of weights.")]
Reset = Annotated[bool, typer.Option("--reset", help="Reset all counts to 0 instead of showing them.")]
InPlace = Annotated[
    bool,
    _output(
        "--in-place",
        "Write the fill to the file atomically, instead of printing it. A fill that adds syntax errors is written only "
        "with --no-require-valid.",
    ),
]
Watch = Annotated[bool, _output("--watch", "Show the canvas on standard error as it sharpens.")]

Stdio = Annotated[bool, _server("--stdio", "Communicate over standard input and output, which is the default.")]
Tcp = Annotated[bool, _server("--tcp", "Serve one client on a TCP port instead.")]
Host = Annotated[str, _server("--host", "Address to listen on.", "ADDRESS")]
Port = Annotated[
    int,
    typer.Option(
        "--port",
        help="Port to listen on; 0 picks a free one.",
        metavar="PORT",
        min=0,
        max=65535,
        rich_help_panel="Server",
    ),
]
Socket = Annotated[
    str | None,
    _server("--socket", "Serve all editors that connect to this Unix domain socket, with one model.", "PATH"),
]
Connect = Annotated[
    str | None, _server("--connect", "Relay standard input and output to the daemon on this socket.", "PATH")
]
IdleExitMinutes = Annotated[
    float,
    typer.Option(
        "--idle-exit-minutes",
        help="Exit after this many minutes without an editor.",
        metavar="MINUTES",
        min=0,
        rich_help_panel="Server",
    ),
]
ApiKeyFile = Annotated[
    Path | None,
    _server("--api-key-file", "File with the key that clients must send. Default: DLM_LSP_API_KEY, if set.", "FILE"),
]
AllowHost = Annotated[
    list[str] | None, _server("--allow-host", "Host name to accept, in addition to localhost and IP addresses.", "NAME")
]
AllowOrigin = Annotated[
    list[str] | None, _server("--allow-origin", "Accept requests from web pages of this origin.", "URL")
]
LogFile = Annotated[Path | None, _server("--log-file", "Append the log to this file.", "FILE")]
Verbose = Annotated[
    int,
    # Without `metavar`, the help would show `-v <int>`, as if a value came next.
    typer.Option("-v", help="Log more; use it twice to log everything.", count=True, metavar="", show_default=False),
]
ClientProcessId = Annotated[int | None, _server("--clientProcessId", "Exit when this process ends.", "PID")]
