"""For the tests of all editors."""

from pathlib import Path

import pytest

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # Editors have timers of their own, and each test looks at several processes: on a machine that is busy enough, one
    # of them comes too late, which says nothing about this project. What is wrong fails again. A test that hung until
    # its time was up is not run again, because no other limit would end it.
    once_more = pytest.mark.flaky(reruns=1, rerun_except="from pytest-timeout")
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(once_more)
