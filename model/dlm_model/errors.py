"""What can go wrong below the language server: one sentence for the user, never a traceback."""


class ModelError(Exception):
    """The base of everything the engine raises on purpose; `str()` is one sentence fit for the user."""


class CheckpointError(ModelError):
    """A checkpoint that is missing, truncated, of an unknown architecture, or of the wrong shape."""


class DeviceError(ModelError):
    """The device asked for does not exist, or does not have the memory."""


class DeviceLostError(DeviceError):
    """The device failed, as when it was reset: this process can seldom use it again."""


class RequestError(ModelError):
    """A request the model cannot serve, such as one longer than its context."""
