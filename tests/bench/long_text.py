"""Long texts of real code, from Python's own library. In a module of its own, for benches of the engine alone."""

import importlib
import inspect

MODULES = ("argparse", "inspect", "typing", "tarfile", "zipfile", "pathlib", "subprocess", "ast", "enum", "smtplib")


def long_text(num_lines: int) -> str:
    """Real code of so many lines, one module after the other."""
    lines: list[str] = []
    while len(lines) < num_lines:
        for name in MODULES:
            lines += inspect.getsource(importlib.import_module(name)).splitlines()
    return "\n".join(lines[:num_lines]) + "\n"
