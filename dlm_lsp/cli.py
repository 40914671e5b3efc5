"""The command line: the flags of each command, and its exit code.

What the commands do is in `dlm_lsp.commands`. Every failure ends in one sentence on standard error, with exit code 1
for nothing to show, 2 for a usage error, 3 for the model or the device, and 130 for Ctrl-C.
"""

import os
import sys
import traceback
from collections.abc import Sequence
from typing import Annotated

import typer

from dlm_lsp import __version__
from dlm_lsp.cli_models import models_app
from dlm_lsp.commands import flags
from dlm_lsp.commands.sources import discard, writing_stdout
from dlm_lsp.commands.suggestions import without_far_off_flags
from dlm_lsp.errors import DlmLspError, ModelUnavailableError, UsageError
from dlm_lsp.process import importing
from dlm_model.errors import ModelError

PROGRAM = "dlm-lsp"
DEBUG_VARIABLE = "DLM_LSP_DEBUG"
"""If it is set, an unforeseen error prints its traceback."""

app = typer.Typer(
    help="Fill the hole at your cursor with a diffusion language model that runs on your own machine.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(models_app, name="models")


def run(arguments: Sequence[str]) -> int:
    """Run one command line.

    Returns:
        The exit code.

    Raises:
        KeyboardInterrupt: Ctrl-C.
    """
    try:
        code = app(list(arguments), standalone_mode=False, prog_name=PROGRAM)
    except typer.TyperException as error:
        message = without_far_off_flags(error).format_message()
        # A group without a command has printed its help already, and has nothing to add.
        return _complain(message, error.exit_code) if message else error.exit_code
    except DlmLspError as error:
        return _complain(str(error), error.exit_code)
    except ModelError as error:
        return _complain(str(error), ModelUnavailableError.exit_code)
    except typer.Abort as error:  # what typer makes of a Ctrl-C in answer to a question
        raise KeyboardInterrupt from error
    except BrokenPipeError:
        discard(sys.stdout)
        return 1
    except Exception as error:  # noqa: BLE001 - torch and CUDA raise anything, and this is the last place to catch it
        if os.environ.get(DEBUG_VARIABLE):
            traceback.print_exc()
        sentence = f"{type(error).__name__}: {error}".rstrip(": .")
        return _complain(f"{sentence} ({DEBUG_VARIABLE}=1 shows where)", ModelUnavailableError.exit_code)
    return int(code or 0)


def _complain(message: str, code: int) -> int:
    sentence = " ".join(message.splitlines())
    try:
        sys.stderr.write(f"{PROGRAM}: {sentence}{'' if sentence.endswith(('.', '?')) else '.'}\n")
        sys.stderr.flush()
    except OSError:  # nobody is reading; the exit code has to do
        discard(sys.stderr)
    return code


def _print_version(is_asked: bool) -> None:
    if is_asked:
        with writing_stdout() as stdout:
            stdout.write(f"{PROGRAM} {__version__}\n")
        raise typer.Exit


@app.callback()
def root(
    _version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Options that come before any command."""


@app.command(epilog=flags.INFILL_EXAMPLES)
def infill(
    target: flags.TargetArgument,
    *,
    function: flags.Function = None,
    replace: flags.Replace = False,
    span: flags.Range = None,
    stdin_filename: flags.StdinFilename = None,
    as_json: flags.AsJson = False,
    as_diff: flags.AsDiff = False,
    in_place: flags.InPlace = False,
    watch: flags.Watch = False,
    keep: flags.Keep = None,
    closing: flags.Closing = "",
    require_valid: flags.RequireValid = None,
    steps: flags.Steps = None,
    schedule: flags.ScheduleFlag = None,
    selection: flags.SelectionFlag = None,
    threshold: flags.Threshold = None,
    deadline_ms: flags.DeadlineMs = None,
    n: flags.NumCandidates = None,
    seed: flags.Seed = None,
    temperature: flags.Temperature = None,
    refresh_interval: flags.RefreshInterval = None,
    guide: flags.Guide = None,
    method: flags.MethodNames = None,
    assignments: flags.Assignments = None,
    connect: flags.ByDaemon = None,
    model: flags.Model = None,
    device: flags.Device = None,
    precision: flags.PrecisionFlag = None,
) -> None:
    """Fill one hole, and print the text that goes into it."""
    from dlm_lsp.commands.infill import Output, run_infill  # noqa: PLC0415
    from dlm_lsp.commands.settings import (  # noqa: PLC0415
        assigned_options,
        flag_options,
        load_settings,
        method_options,
    )
    from dlm_lsp.commands.targets import parse_target  # noqa: PLC0415
    from dlm_lsp.fills import Anchors  # noqa: PLC0415

    if replace and function is None:
        raise UsageError("--replace can be used only with --function.")
    if connect is not None and (model, device, precision) != (None, None, None):
        raise UsageError("--model, --device and --precision cannot be used with --connect: pass them to the daemon.")
    output = Output(as_json=as_json, as_diff=as_diff, in_place=in_place, watch=watch)
    given = flag_options(
        {
            "steps": steps,
            "schedule": schedule,
            "selection": selection,
            "threshold": threshold,
            "deadline_ms": deadline_ms,
            "n": n,
            "seed": seed,
            "temperature": temperature,
            "refresh_interval": refresh_interval,
            "guide": guide,
            "require_valid": require_valid,
            "model": model,
            "device": device,
            "precision": precision,
        }
    )
    settings = load_settings(method_options(method or ()), assigned_options(assignments or ()), given)
    anchors = Anchors(tuple(keep or ()), closing)
    where = parse_target(target, function=function, replaces=replace, span=span)
    run_infill(where, stdin_filename, settings, output, anchors, daemon=connect)


@app.command()
def race(
    target: flags.TargetArgument,
    *,
    function: flags.Function = None,
    span: flags.Range = None,
    stdin_filename: flags.StdinFilename = None,
    steps: flags.Steps = None,
    against: flags.Against = "self",
    model: flags.Model = None,
    device: flags.Device = None,
    precision: flags.PrecisionFlag = None,
) -> None:
    """Fill one hole with diffusion and from left to right, side by side."""
    from dlm_lsp.commands.race import run_race  # noqa: PLC0415
    from dlm_lsp.commands.settings import flag_options, load_settings  # noqa: PLC0415
    from dlm_lsp.commands.targets import parse_target  # noqa: PLC0415

    given = flag_options({"steps": steps, "model": model, "device": device, "precision": precision})
    settings = load_settings(given)
    where = parse_target(target, function=function, replaces=True, span=span)
    run_race(where, stdin_filename, settings, against)


@app.command()
def methods(name: flags.MethodName = None, *, as_json: flags.AsJson = False) -> None:
    """List every decoding method, or show one: what it does, where it comes from, and how to switch it on."""
    from dlm_lsp.commands.methods import run_methods  # noqa: PLC0415

    run_methods(name, as_json=as_json)


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def serve(
    context: typer.Context,
    *,
    stdio: flags.Stdio = False,
    tcp: flags.Tcp = False,
    host: flags.Host = flags.DEFAULT_HOST,
    port: flags.Port = flags.DEFAULT_PORT,
    socket: flags.Socket = None,
    connect: flags.Connect = None,
    idle_exit_minutes: flags.IdleExitMinutes = flags.DEFAULT_IDLE_EXIT_MINUTES,
    log_file: flags.LogFile = None,
    verbose: flags.Verbose = 0,
    client_process_id: flags.ClientProcessId = None,
    model: flags.Model = None,
    device: flags.Device = None,
    precision: flags.PrecisionFlag = None,
) -> int:
    """Run the language server; editors start it themselves."""
    with importing():
        from dlm_lsp.commands.log import start_log  # noqa: PLC0415
        from dlm_lsp.commands.serve import TcpAddress, run_connect, run_daemon, run_serve  # noqa: PLC0415
        from dlm_lsp.commands.settings import flag_options  # noqa: PLC0415

    if socket and socket.isdigit():  # some client libraries name a port of their own like this
        context.args.append(f"--socket={socket}")
        socket = None
    if stdio and tcp:
        raise UsageError("Use either --stdio or --tcp, not both.")
    if (socket or connect) and (tcp or (socket and (stdio or connect))):
        raise UsageError("Use only one of --stdio, --tcp, --socket and --connect.")
    start_log(log_file, verbose)
    options = flag_options({"model": model, "device": device, "precision": precision})
    if connect:
        return run_connect(connect, options, client_process_id=client_process_id)
    if socket:
        return run_daemon(socket, options, idle_exit_minutes=idle_exit_minutes)
    return run_serve(
        TcpAddress(host, port) if tcp else None,
        options,
        client_process_id=client_process_id,
        ignored=context.args,
    )


@app.command()
def http(
    *,
    host: flags.Host = flags.DEFAULT_HOST,
    port: flags.Port = flags.DEFAULT_HTTP_PORT,
    api_key_file: flags.ApiKeyFile = None,
    allow_host: flags.AllowHost = None,
    allow_origin: flags.AllowOrigin = None,
    log_file: flags.LogFile = None,
    verbose: flags.Verbose = 0,
    model: flags.Model = None,
    device: flags.Device = None,
    precision: flags.PrecisionFlag = None,
) -> int:
    """Serve fill-in-the-middle completions over HTTP, in the format of Mercury's and Mistral's APIs."""
    from dlm_lsp.commands.http import run_http  # noqa: PLC0415
    from dlm_lsp.commands.log import start_log  # noqa: PLC0415
    from dlm_lsp.commands.settings import flag_options, load_settings  # noqa: PLC0415

    start_log(log_file, verbose)
    settings = load_settings(flag_options({"model": model, "device": device, "precision": precision}))
    hosts, origins = allow_host or (), allow_origin or ()
    return run_http(host, port, settings, api_key_file=api_key_file, allowed_hosts=hosts, allowed_origins=origins)


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []})
def train(context: typer.Context) -> int:
    """Train a model of your own: corpus, training, distillation, export; `dlm-lsp train --help` lists the stages."""
    from dlm_lsp.commands.train import run_train  # noqa: PLC0415

    return run_train(context.args, f"{PROGRAM} train")


@app.command()
def stats(*, as_json: flags.AsJson = False, reset: flags.Reset = False) -> None:
    """Show how many completions were offered, shown, accepted and kept; the counts stay on this machine."""
    from dlm_lsp.commands.stats import run_stats  # noqa: PLC0415

    run_stats(as_json=as_json, reset=reset)


@app.command()
def doctor(
    *,
    model: flags.Model = None,
    device: flags.Device = None,
    precision: flags.PrecisionFlag = None,
    as_json: flags.AsJson = False,
    verbose: flags.EveryFinding = False,
) -> int:
    """Check the installation, and time one fill."""
    from dlm_lsp.commands.doctor import run_doctor  # noqa: PLC0415
    from dlm_lsp.commands.settings import flag_options  # noqa: PLC0415

    options = flag_options({"model": model, "device": device, "precision": precision})
    return run_doctor(options, as_json=as_json, is_verbose=verbose)
