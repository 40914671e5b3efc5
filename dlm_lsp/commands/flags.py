"""The flags of `dlm-lsp`, as types for typer: name, help and panel of each. Decoder defaults are read, not restated."""

from pathlib import Path
from typing import Annotated

import typer

from dlm_model.decode_options import Schedule, Selection
from dlm_model.precision import Precision
from dlm_model.request import DecodeOptions

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 8765
DEFAULT_HTTP_PORT = 8791
DEFAULT_IDLE_EXIT_MINUTES = 30.0

DECODER_FLAGS = {
    "--steps": "num_steps",
    "--schedule": "schedule",
    "--selection": "selection",
    "--threshold": "confidence_threshold",
    "--deadline-ms": "deadline_ms",
    "--n": "num_candidates",
    "--seed": "seed",
    "--temperature": "temperature",
    "--refresh-interval": "prompt_refresh_interval",
    "--guide": "guide",
}
"""Which field of `DecodeOptions` a flag sets, in the order of the command's parameters."""


def _hole(flag: str, text: str, metavar: str) -> object:
    return typer.Option(flag, help=text, metavar=metavar, show_default=False, rich_help_panel="Where the hole is")


def _decoder(flag: str, text: str, default: str | None = None) -> object:
    value = getattr(DecodeOptions(), DECODER_FLAGS[flag])
    shown = default or ("none" if value is None else value)
    return typer.Option(flag, help=f"{text} Default: {shown}.", show_default=False, rich_help_panel="Decoder")


def _model(flag: str, text: str, default: str) -> object:
    return typer.Option(flag, help=f"{text} Default: {default}.", show_default=False, rich_help_panel="Model")


def _output(flag: str, text: str) -> object:
    return typer.Option(flag, help=text, rich_help_panel="Output")


def _server(flag: str, text: str) -> object:
    return typer.Option(flag, help=text, rich_help_panel="Server")


TargetArgument = Annotated[
    str,
    typer.Argument(
        metavar="FILE[:LINE:COL]",
        help="A file and a cursor, both counted from 1 in characters; - is standard input with a <FILL> marker.",
        show_default=False,
    ),
]
Function = Annotated[str | None, _hole("--function", "Fill this function's body; Class.method picks a method.", "NAME")]
Range = Annotated[str | None, _hole("--range", "Replace this range; its end is exclusive.", "L1:C1-L2:C2")]
StdinFilename = Annotated[
    str | None, _hole("--stdin-filename", "Tells the language of standard input; required with -.", "NAME")
]

Steps = Annotated[int | None, _decoder("--steps", "Denoise steps at most: quality against latency.")]
ScheduleFlag = Annotated[Schedule | None, _decoder("--schedule", "How many positions a step commits.")]
SelectionFlag = Annotated[
    Selection | None, _decoder("--selection", "Which positions commit first.", "what the model names, or confidence")
]
Threshold = Annotated[
    float | None,
    _decoder("--threshold", "Probability from which the threshold schedule commits."),
]
DeadlineMs = Annotated[float | None, _decoder("--deadline-ms", "Stop after this long and take the best draft.")]
NumCandidates = Annotated[int | None, _decoder("--n", "Alternatives decoded together.")]
Seed = Annotated[int | None, _decoder("--seed", "Same seed, same text.")]
Temperature = Annotated[float | None, _decoder("--temperature", "0 is greedy; above it samples.")]
RefreshInterval = Annotated[
    int | None,
    _decoder("--refresh-interval", "Steps between prompt recomputations; 1 is exact."),
]
MethodNames = Annotated[
    list[str] | None,
    typer.Option(
        "--method",
        help="A decoding method that dlm-lsp methods lists; give several to combine them.",
        metavar="NAME",
        show_default=False,
        rich_help_panel="Decoder",
    ),
]
Assignments = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        help="Any other option of the decoder by its name in the settings.",
        metavar="OPTION=VALUE",
        show_default=False,
        rich_help_panel="Decoder",
    ),
]
Guide = Annotated[
    str | None,
    _decoder("--guide", "A causal checkpoint folder that checks what is committed; self for the model itself."),
]

Keep = Annotated[
    list[str] | None,
    typer.Option(
        "--keep",
        help="Text that the fill must hold; several in this order.",
        metavar="TEXT",
        show_default=False,
        rich_help_panel="What the fill must be",
    ),
]
Closing = Annotated[
    str, typer.Option("--closing", help="Text that it must end with.", rich_help_panel="What the fill must be")
]
RequireValid = Annotated[
    bool,
    typer.Option(
        "--require-valid",
        help="Nothing rather than a fill that adds syntax errors.",
        rich_help_panel="What the fill must be",
    ),
]

Against = Annotated[
    str,
    _model("--against", "The causal model to race: a checkpoint folder with the same tokenizer.", "the model itself"),
]

Model = Annotated[
    str | None, _model("--model", "A checkpoint folder, or a name of `models list`.", "the packaged weights")
]
Device = Annotated[str | None, _model("--device", "cpu, cuda, cuda:1, …", "auto")]
PrecisionFlag = Annotated[
    Precision | None,
    _model("--precision", "In how many bits its matrices are held; int8, int4 need torchao.", "auto"),
]

AsJson = Annotated[bool, _output("--json", "Print one JSON object.")]
AsDiff = Annotated[bool, _output("--diff", "Print a unified diff.")]
Reset = Annotated[bool, typer.Option("--reset", help="Begin at 0 instead.")]
InPlace = Annotated[bool, _output("--in-place", "Write the file, atomically, instead of printing the fill.")]
Watch = Annotated[bool, _output("--watch", "Show the canvas sharpening on standard error.")]

Stdio = Annotated[bool, _server("--stdio", "Speak over standard input and output; the default.")]
Tcp = Annotated[bool, _server("--tcp", "Wait for one client on a TCP port instead.")]
Host = Annotated[str, _server("--host", "Address to listen on.")]
Port = Annotated[int, typer.Option("--port", help="0 takes a free one.", min=0, max=65535, rich_help_panel="Server")]
Socket = Annotated[
    str | None, _server("--socket", "Serve every editor that connects to this Unix domain socket, with one model.")
]
Connect = Annotated[str | None, _server("--connect", "Carry standard input and output to the daemon on this socket.")]
IdleExitMinutes = Annotated[
    float,
    typer.Option("--idle-exit-minutes", help="End after this without editors.", min=0, rich_help_panel="Server"),
]
ApiKeyFile = Annotated[
    Path | None,
    _server("--api-key-file", "Clients need the key in this file, or else the one in DLM_LSP_API_KEY, if any."),
]
AllowHost = Annotated[
    list[str] | None, _server("--allow-host", "A name to answer under, besides localhost and bare addresses.")
]
AllowOrigin = Annotated[list[str] | None, _server("--allow-origin", "Answer web pages of this origin.")]
LogFile = Annotated[Path | None, _server("--log-file", "Append the log to this file.")]
Verbose = Annotated[int, typer.Option("-v", help="Log more; twice for everything.", count=True)]
ClientProcessId = Annotated[int | None, _server("--clientProcessId", "End when this process ends.")]
