"""A stand-in for another machine: a home folder and an address of its own, reached through a real sshd."""

import os
import shlex
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.editors.vscode.code_server import free_port, until

SERVER = """\
Port {port}
ListenAddress {address}
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/key.pub
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
PermitRootLogin prohibit-password
SetEnv HOME={home} SHELL=/bin/bash
"""
CLIENT = """\
Host remote
    HostName {address}
    Port {port}
    IdentityFile {folder}/key
    IdentitiesOnly yes
    UserKnownHostsFile {folder}/known_hosts
    StrictHostKeyChecking accept-new
    BatchMode yes
    ExitOnForwardFailure yes
    LogLevel ERROR
"""


class SshHost:
    """A host whose commands run in the shell of an SSH session: not interactive, no login shell, no terminal.

    Attributes:
        home: The home folder there, empty at first.
    """

    address = "127.0.0.2"

    def __init__(self, sshd: Path, folder: Path) -> None:
        self.home = folder / "home"
        self.home.mkdir()
        self._client = folder / "ssh_config"
        places = {"folder": folder, "home": self.home, "address": self.address, "port": free_port(self.address)}
        (folder / "sshd_config").write_text(SERVER.format(**places))
        self._client.write_text(CLIENT.format(**places))
        for name in ("key", "host_key"):
            make = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)]
            subprocess.run(make, check=True)
        self._sshd = [str(sshd), "-D", "-e", "-f", str(folder / "sshd_config"), "-E", str(folder / "sshd.log")]

    @contextmanager
    def running(self) -> Iterator[None]:
        process = subprocess.Popen(self._sshd, stdin=subprocess.DEVNULL, start_new_session=True)
        try:
            until(self._answers, "sshd")
            yield
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(20)

    def calling(self, command: Sequence[str]) -> list[str]:
        return [*self._ssh(), shlex.join(command)]

    def serving(self, command: Sequence[str], port: int) -> list[str]:
        forward = f"127.0.0.1:{port}:{self.address}:{port}"
        # Without a terminal, commands there get no hangup when the connection ends.
        return [*self._ssh("-L", forward), f"{shlex.join(command)} & cat; kill $!"]

    def output(self, *command: str) -> str:
        call = self.calling(command)
        return subprocess.run(call, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True).stdout.strip()

    def _ssh(self, *flags: str) -> list[str]:
        return ["ssh", "-T", "-F", str(self._client), *flags, "remote"]

    def _answers(self) -> bool:
        ask = self.calling(["true"])
        return subprocess.run(ask, check=False, stdin=subprocess.DEVNULL, capture_output=True).returncode == 0
