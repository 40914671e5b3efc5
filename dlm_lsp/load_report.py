"""Tells the client that the model is loading, by `dlmLsp/status` and, where the client draws it, by `$/progress`."""

from __future__ import annotations

import asyncio
import logging
import uuid
from typing import TYPE_CHECKING

from lsprotocol import types
from pygls.exceptions import JsonRpcException

from dlm_lsp.worker import Loaded, LoadEvent, LoadFailed, Loading, Unloaded

if TYPE_CHECKING:
    from dlm_lsp.session import DlmLanguageServer

logger = logging.getLogger(__name__)

TITLE = "Loading the model"


class LoadReport:
    """Listens to the worker, on the event loop."""

    def __init__(self, server: DlmLanguageServer) -> None:
        self._server = server
        self._finished = asyncio.Event()

    def on_event(self, event: LoadEvent) -> None:
        """Show what has become of the model."""
        match event:
            case Loading():
                self._begin()
            case Loaded(engine):
                self._finished.set()
                loaded = f"{engine.model_name} on {engine.device}" + ("" if engine.sees_suffix else ", sees no suffix")
                self._server.show_status("normal" if self._server.desk.is_idle else "busy", loaded)
            case LoadFailed(reason):
                self._finished.set()
                logger.error("%s", reason)
                self._server.show_status("error", reason)
            case Unloaded():
                self._server.show_status(
                    "normal", "the model was unloaded after a while without use; the next request loads it again"
                )

    def _begin(self) -> None:
        """Begin a progress; it ends when the model is loaded, or cannot be."""
        self._finished = asyncio.Event()
        self._server.show_status("busy", "loading the model")
        window = self._server.client_capabilities.window
        if window and window.work_done_progress:
            self._server.spawn(self._show_progress(self._finished))

    async def _show_progress(self, finished: asyncio.Event) -> None:
        progress, token = self._server.work_done_progress, str(uuid.uuid4())
        try:
            await progress.create_async(token)
        except JsonRpcException as error:
            logger.warning("the client refused a progress: %s", error)
            return
        progress.begin(token, types.WorkDoneProgressBegin(title=TITLE))
        await finished.wait()
        progress.end(token, types.WorkDoneProgressEnd())
