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

_HOLE, _FILL = "Where the hole is", "Requirements for the fill"
_DECODER, _MODEL, _OUTPUT, _SERVER = "Decoder", "Model", "Output", "Server"
"""The panels of the help."""

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


def _flag(
    name: str,
    text: str,
    panel: str | None = None,
    metavar: str | None = None,
    *,
    short: str | None = None,
    smallest: float | None = None,
    largest: float | None = None,
    complete: Callable[[str], Offers] | None = None,
    shows_default: bool = True,
) -> object:
    return typer.Option(
        *((name, short) if short else (name,)),
        help=text,
        metavar=metavar,
        min=smallest,
        max=largest,
        show_default=shows_default,
        rich_help_panel=panel,
        autocompletion=complete,
    )


def _option(
    spelling: str,
    panel: str,
    metavar: str | None = None,
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
    return _flag(flag_name(spelling), text, panel, metavar, short=short, complete=complete)


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
    _flag(
        "--function",
        "Fill the body of this function, if it has no code yet; Class.method names a method.",
        _HOLE,
        "NAME",
    ),
]
Replace = Annotated[bool, _flag("--replace", "With --function: rewrite a body that already has code.", _HOLE)]
Range = Annotated[str | None, _flag("--range", "Replace this range; its end is exclusive.", _HOLE, "L1:C1-L2:C2")]
StdinFilename = Annotated[
    str | None,
    _flag(
        "--stdin-filename", "File name that determines the language of standard input; required with -.", _HOLE, "NAME"
    ),
]

Steps = Annotated[int | None, _option("steps", _DECODER)]
ScheduleFlag = Annotated[Schedule | None, _option("schedule", _DECODER, "NAME")]
SelectionFlag = Annotated[Selection | None, _option("selection", _DECODER, "NAME")]
Threshold = Annotated[float | None, _option("threshold", _DECODER)]
DeadlineMs = Annotated[float | None, _option("deadline_ms", _DECODER)]
NumCandidates = Annotated[
    int | None, _option("n", _DECODER, short="-n", more=" The best is printed; --json shows them all.")
]
Seed = Annotated[int | None, _option("seed", _DECODER)]
Temperature = Annotated[float | None, _option("temperature", _DECODER)]
RefreshInterval = Annotated[int | None, _option("refresh_interval", _DECODER)]
Guide = Annotated[str | None, _option("guide", _DECODER, "NAME", complete=complete_guide)]
MethodName = Annotated[
    str | None,
    typer.Argument(metavar="NAME", help="Show only this method.", autocompletion=complete_method, show_default=False),
]
MethodNames = Annotated[
    list[str] | None,
    _flag(
        "--method",
        "A method from dlm-lsp methods; repeat the flag to combine several.",
        _DECODER,
        "NAME",
        complete=complete_method,
    ),
]
Assignments = Annotated[
    list[str] | None,
    _flag(
        "--set",
        "Set any option of the decoder, by any of its names.",
        _DECODER,
        "OPTION=VALUE",
        complete=complete_assignment,
    ),
]
Keep = Annotated[
    list[str] | None,
    _flag("--keep", "Text that the fill must contain; repeat the flag for several, in their order.", _FILL, "TEXT"),
]
Closing = Annotated[str, _flag("--closing", "Text that the fill must end with.", _FILL, "TEXT", shows_default=False)]
RequireValid = Annotated[
    bool | None,
    _flag(
        "--require-valid/--no-require-valid",
        "Print nothing rather than a fill that adds syntax errors; the default with --in-place.",
        _FILL,
    ),
]

Against = Annotated[
    str,
    _flag(
        "--against",
        "The causal model to race against, which needs the same tokenizer: a name from dlm-lsp models list, or "
        "the path of a checkpoint folder, which must contain a slash. Default: the model's own guide, or else the "
        "model itself.",
        _MODEL,
        "NAME",
        complete=complete_opponent,
        shows_default=False,
    ),
]

Model = Annotated[str | None, _option("model", _MODEL, "MODEL", complete=complete_model)]
Device = Annotated[str | None, _option("device", _MODEL, "DEVICE")]
PrecisionFlag = Annotated[Precision | None, _option("precision", _MODEL)]

ByDaemon = Annotated[
    str | None,
    _flag(
        "--connect",
        "Use the model of the daemon on this socket (`dlm-lsp serve --socket PATH`) instead of loading one.",
        _MODEL,
        "PATH",
    ),
]

AsJson = Annotated[bool, _flag("--json", "Print one JSON object.", _OUTPUT)]
AsDiff = Annotated[bool, _flag("--diff", "Print a unified diff.", _OUTPUT)]
EveryFinding = Annotated[bool, _flag("--verbose", "Print a line for each grammar and each file of weights.", _OUTPUT)]
Reset = Annotated[bool, _flag("--reset", "Reset all counts to 0 instead of showing them.")]
InPlace = Annotated[
    bool,
    _flag(
        "--in-place",
        "Write the fill to the file atomically, instead of printing it. A fill that adds syntax errors is written only "
        "with --no-require-valid.",
        _OUTPUT,
    ),
]
Watch = Annotated[bool, _flag("--watch", "Show the canvas on standard error as it sharpens.", _OUTPUT)]

Stdio = Annotated[bool, _flag("--stdio", "Communicate over standard input and output, which is the default.", _SERVER)]
Tcp = Annotated[bool, _flag("--tcp", "Serve one client on a TCP port instead.", _SERVER)]
Host = Annotated[str, _flag("--host", "Address to listen on.", _SERVER, "ADDRESS")]
Port = Annotated[
    int, _flag("--port", "Port to listen on; 0 picks a free one.", _SERVER, "PORT", smallest=0, largest=65535)
]
Socket = Annotated[
    str | None,
    _flag("--socket", "Serve all editors that connect to this Unix domain socket, with one model.", _SERVER, "PATH"),
]
Connect = Annotated[
    str | None, _flag("--connect", "Relay standard input and output to the daemon on this socket.", _SERVER, "PATH")
]
IdleExitMinutes = Annotated[
    float,
    _flag("--idle-exit-minutes", "Exit after this many minutes without an editor.", _SERVER, "MINUTES", smallest=0),
]
ApiKeyFile = Annotated[
    Path | None,
    _flag(
        "--api-key-file",
        "File with the key that clients must send. Default: DLM_LSP_API_KEY, if set.",
        _SERVER,
        "FILE",
    ),
]
AllowHost = Annotated[
    list[str] | None,
    _flag("--allow-host", "Host name to accept, in addition to localhost and IP addresses.", _SERVER, "NAME"),
]
AllowOrigin = Annotated[
    list[str] | None, _flag("--allow-origin", "Accept requests from web pages of this origin.", _SERVER, "URL")
]
LogFile = Annotated[Path | None, _flag("--log-file", "Append the log to this file.", _SERVER, "FILE")]
Verbose = Annotated[
    int,
    # Without `metavar`, the help would show `-v <int>`, as if a value came next.
    typer.Option("-v", help="Log more; use it twice to log everything.", count=True, metavar="", show_default=False),
]
ClientProcessId = Annotated[int | None, _flag("--clientProcessId", "Exit when this process ends.", _SERVER, "PID")]
