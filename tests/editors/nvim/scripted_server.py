"""A language server without a model: gives the answers of a JSON file, and logs the messages that it gets.

`python scripted_server.py SCRIPT LOG`. The script is read anew for every request, so that a test can change its mind:

    completions   line up to the cursor → texts that continue it
    seconds       how long an inline completion or a fill takes
    drafts        `{text, stableRanges}` sent meanwhile; the text begins at the cursor
    held_at       how many drafts are sent before it waits for a script that holds it no longer
    fill          `{range, text}`, put in by `workspace/applyEdit`
    failure       the error of a fill, or of an inline completion after its drafts
    status        `{state, message}` sent before the answer
"""

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

from lsprotocol import types
from pygls.exceptions import JsonRpcException
from pygls.lsp.server import LanguageServer

SCRIPT, LOG = (Path(argument) for argument in sys.argv[1:3])

POLL_SECONDS = 0.01

server = LanguageServer("scripted", "1")


def script() -> dict[str, Any]:
    read: dict[str, Any] = json.loads(SCRIPT.read_text(encoding="utf-8"))
    return read


def log(method: str, **what: object) -> None:
    with LOG.open("a", encoding="utf-8") as file:
        file.write(json.dumps({"method": method, **what}) + "\n")


def left_of(uri: str, position: types.Position) -> str:
    document = server.workspace.get_text_document(uri)
    return document.source[: document.offset_at_position(position)].rpartition("\n")[2]


async def until_allowed(num_sent: int) -> None:
    while (limit := script().get("held_at")) is not None and num_sent >= limit:
        await asyncio.sleep(POLL_SECONDS)


async def sharpen(uri: str, where: types.Range, typed: str) -> None:
    """Send the drafts, and wait as long as an answer takes."""
    steps = script().get("drafts", [])
    await until_allowed(0)
    num_typed = server.workspace.position_codec.client_num_units(typed)
    pause = script().get("seconds", 0) / (len(steps) + 1)
    for number, step in enumerate(steps, start=1):
        await asyncio.sleep(pause)
        params = {
            "uri": uri,
            "version": server.workspace.get_text_document(uri).version,
            "requestId": current_ids[uri],
            "range": where,
            "text": typed + step["text"],
            "step": number,
            "numSteps": len(steps),
            "stableRanges": [[num_typed + start, num_typed + end] for start, end in step["stableRanges"]],
            "confidence": 0.5,
            "finishReason": None,
        }
        server.protocol.notify("dlmLsp/draft", params)
        await until_allowed(number)
    await asyncio.sleep(pause)


current_ids: dict[str, Any] = {}


def tell_status() -> None:
    if status := script().get("status"):
        server.protocol.notify("dlmLsp/status", status)


@server.feature(types.TEXT_DOCUMENT_INLINE_COMPLETION, types.InlineCompletionOptions())
async def complete(params: types.InlineCompletionParams) -> types.InlineCompletionList:
    uri, position = params.text_document.uri, params.position
    current_ids[uri] = server.protocol.msg_id
    typed = left_of(uri, position)
    log("inlineCompletion", typed=typed, kind=int(params.context.trigger_kind), character=position.character)
    where = types.Range(types.Position(position.line, 0), position)
    tell_status()
    try:
        await sharpen(uri, where, typed)
    except asyncio.CancelledError:
        log("cancelled", typed=typed)
        raise
    if failure := script().get("failure"):
        raise JsonRpcException(failure, types.LSPErrorCodes.RequestFailed)
    texts = script().get("completions", {}).get(typed, [])
    command = types.Command("accepted", "dlmLsp.didAccept", arguments=[typed])
    items = [types.InlineCompletionItem(typed + text, typed + text, where, command) for text in texts]
    log("answered", typed=typed)
    return types.InlineCompletionList(items)


async def infill_range(uri: str, where: object, options: object = None) -> dict[str, object]:
    current_ids[uri] = server.protocol.msg_id
    version = server.workspace.get_text_document(uri).version
    log("infillRange", range=where, options=options)
    fill, failure = script()["fill"], script().get("failure")
    if failure:
        raise JsonRpcException(failure, types.LSPErrorCodes.RequestFailed)
    ends = (types.Position(**fill["range"][name]) for name in ("start", "end"))
    replaced = types.Range(*ends)
    try:
        await sharpen(uri, replaced, "")
    except asyncio.CancelledError:
        log("cancelled", command="infillRange")
        raise
    document = types.OptionalVersionedTextDocumentIdentifier(uri, version)
    edit = types.TextDocumentEdit(document, [types.TextEdit(replaced, fill["text"])])
    change = types.ApplyWorkspaceEditParams(types.WorkspaceEdit(document_changes=[edit]))
    answer = await server.workspace_apply_edit_async(change)
    return {"uri": uri, "version": version, "range": replaced, "text": fill["text"], "applied": answer.applied}


# Where the real server answers commands too: pygls' own handler wants a fixed number of arguments.
del server.protocol.fm.builtin_features[types.WORKSPACE_EXECUTE_COMMAND]


@server.feature(types.WORKSPACE_EXECUTE_COMMAND)
async def execute(params: types.ExecuteCommandParams) -> object:
    if params.command == "dlmLsp.didAccept":
        log("didAccept", arguments=params.arguments)
        return None
    return await infill_range(*params.arguments)


@server.feature("textDocument/didShowCompletion")
def did_show(params: Any) -> None:  # noqa: ANN401
    log("didShow", text=params.item.insertText)


@server.feature("textDocument/didPartiallyAcceptCompletion")
def did_partially_accept(params: Any) -> None:  # noqa: ANN401
    log("didPartiallyAccept", text=params.item.insertText)


@server.feature(types.INITIALIZE)
def initialize(params: types.InitializeParams) -> None:
    folders = [folder.uri for folder in params.workspace_folders or ()]
    log("initialize", pid=os.getpid(), options=params.initialization_options, folders=folders)


@server.feature(types.WORKSPACE_DID_CHANGE_WORKSPACE_FOLDERS)
def did_change_folders(params: types.DidChangeWorkspaceFoldersParams) -> None:
    log("didChangeFolders", folders=[folder.uri for folder in params.event.added])


server.start_io()
