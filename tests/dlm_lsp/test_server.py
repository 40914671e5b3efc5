"""The table of handlers, and the modules that importing the server loads."""

import subprocess
import sys

from dlm_lsp.server import ROUTES

_IMPORT = (
    "import sys, dlm_lsp.server; print([name for name in ('torch', 'transformers', 'rich') if name in sys.modules])"
)


def test_importing_the_server_imports_no_torch(child_environment: dict[str, str]) -> None:
    command = [sys.executable, "-c", _IMPORT]
    done = subprocess.run(command, capture_output=True, text=True, env=child_environment, timeout=60, check=True)
    assert done.stdout.strip() == "[]"


def test_every_method_has_one_handler() -> None:
    assert len({route.method for route in ROUTES}) == len(ROUTES)
