"""Fixtures of several test files: where the repository is, and an environment in which a child Python finds it."""

import os
import signal
from pathlib import Path

import pytest
from hypothesis import settings

# The same examples every time, so that a red run means that something has changed; `poe fuzz` looks for new ones. How
# long an example takes depends on what else the machine does.
settings.register_profile("repeatable", derandomize=True, print_blob=True, deadline=None)
settings.load_profile("repeatable")

# As the command line does for itself, and before anything imports torch.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

# A background job of a shell ignores Ctrl-C, and so do its children; some tests end processes by Ctrl-C.
signal.signal(signal.SIGINT, signal.default_int_handler)

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def repository_root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def child_environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """This checkout's packages come first, installed or not; statistics go to a folder of the tests."""
    data = str(tmp_path_factory.mktemp("data"))
    search_path = os.pathsep.join(str(ROOT / folder) for folder in (".", "model", "kernels"))
    return {**os.environ, "PYTHONPATH": search_path, "HF_HUB_OFFLINE": "1", "XDG_DATA_HOME": data}
