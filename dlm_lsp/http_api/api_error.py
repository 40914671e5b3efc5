"""Errors in the format of OpenAI's API: a status and `{"error": {message, type, param, code}}`."""

import logging
import traceback
from dataclasses import dataclass

from dlm_lsp.errors import DlmLspError, ModelUnavailableError
from dlm_model.errors import ModelError, RequestError

logger = logging.getLogger(__name__)

SECONDS_TO_FIND_MEMORY = 5
"""When a client may ask again that found no model: what was in the way may have passed."""


@dataclass(eq=False)
class ApiError(Exception):
    """An answer other than 200.

    Attributes:
        status: Of HTTP.
        message: One sentence for people.
        type: The kind of error, in OpenAI's words.
        param: The field of the request that is wrong.
        code: The error's name for programs.
        retry_after: Seconds after which it is worth asking again.
    """

    status: int
    message: str
    type: str = "invalid_request_error"
    param: str | None = None
    code: str | None = None
    retry_after: int | None = None

    @classmethod
    def of(cls, error: Exception) -> "ApiError":
        """The error for any exception; an unforeseen one is logged without its message, which may hold source code."""
        if isinstance(error, ApiError):
            return error
        if isinstance(error, ModelUnavailableError):
            return cls(503, str(error), "server_error", code="model_unavailable", retry_after=SECONDS_TO_FIND_MEMORY)
        if isinstance(error, (DlmLspError, RequestError)):
            return cls(400, str(error))
        if isinstance(error, ModelError):
            return cls(503, str(error), "server_error", code="device_unavailable")
        logger.error("%s\n%s", type(error).__name__, "".join(traceback.format_tb(error.__traceback__)))
        return cls(500, f"The server failed with {type(error).__name__}; its log says where.", "server_error")

    def __str__(self) -> str:
        return self.message

    @property
    def body(self) -> dict[str, object]:
        """The JSON object."""
        return {"error": {"message": self.message, "type": self.type, "param": self.param, "code": self.code}}


def shutting_down() -> ApiError:
    """The server ends before the answer is there."""
    return ApiError(503, "The server is shutting down.", "server_error", code="shutting_down")
