"""Runs one untrusted program: limits its own process, executes the program, and prints the nonce after its end.

Started by `infilling_sandbox` as `python -I -S -B infilling_runner.py`, a JSON object on standard input. Imports the
standard library alone. It protects the machine from accidents of a language model, and not from an attacker.
"""

import json
import os
import resource
import sys

REFUSED = (
    "_thread.start_new_thread",
    "ctypes.",
    "os.chmod",
    "os.chown",
    "os.exec",
    "os.fork",
    "os.kill",
    "os.link",
    "os.mkdir",
    "os.posix_spawn",
    "os.putenv",
    "os.remove",
    "os.rename",
    "os.rmdir",
    "os.spawn",
    "os.symlink",
    "os.system",
    "os.truncate",
    "pty.",
    "resource.",
    "shutil.",
    "socket.",
    "subprocess.",
)
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


def refuse(event: str, arguments: tuple[object, ...]) -> None:
    """An audit hook: nothing may start processes, talk, or change files. It cannot be removed again."""
    is_writing = event == "open" and isinstance(arguments[2], int) and bool(arguments[2] & _WRITING)
    if is_writing or event.startswith(REFUSED):
        raise PermissionError(f"{event} is not allowed here")


def limit(memory_bytes: int, cpu_seconds: int, file_bytes: int) -> None:
    """Set hard limits for this process and its children; it may start none, unless it runs as root."""
    limits = {
        resource.RLIMIT_AS: memory_bytes,
        resource.RLIMIT_CPU: cpu_seconds,
        resource.RLIMIT_FSIZE: file_bytes,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_NPROC: 0,
    }
    for kind, value in limits.items():
        resource.setrlimit(kind, (value, value))


def main() -> None:
    job = json.load(sys.stdin)
    report, nothing = os.dup(1), os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nothing, stream)
    limit(job["memory_bytes"], job["cpu_seconds"], job["file_bytes"])
    sys.addaudithook(refuse)
    exec(compile(job["program"], "program.py", "exec"), {"__name__": "program"})
    os.write(report, job["nonce"].encode())
    # Skip exit handlers, and do not wait for threads of the program.
    os._exit(0)


if __name__ == "__main__":
    main()
