"""Servers that tests start as processes of this machine."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

PROGRAMS = Path("/usr/lib/postgresql/15/bin")
# Postgres refuses to run as root; the Debian package comes with this user.
AS_USER = ("runuser", "-u", "postgres", "--") if os.getuid() == 0 else ()


class Postgres:
    """
    A server in a folder of its own, reached through a socket there.

    Parameters
    ----------
    folder : Path
        Where its data and its socket lie; short, because a socket's path must be.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._control = [*AS_USER, PROGRAMS / "pg_ctl", "-D", folder / "data", "-w"]

    def make(self) -> None:
        """Make the server's data."""
        if AS_USER:
            shutil.chown(self.folder, "postgres")
        made = [*AS_USER, PROGRAMS / "initdb", "-D", self.folder / "data", "-U", "needle", "-A", "trust", "--no-sync"]
        subprocess.run(made, check=True, cwd=self.folder, stdout=subprocess.DEVNULL)

    def start(self) -> None:
        """Start the server; returns when it answers."""
        options = f"-k {self.folder} -c listen_addresses=''"
        log = self.folder / "log"
        subprocess.run(
            [*self._control, "-o", options, "-l", log, "start"], check=True, cwd=self.folder, stdout=subprocess.DEVNULL
        )

    def kill(self) -> None:
        """End every process of the server at once, as a crash would."""
        subprocess.run([*self._control, "-m", "immediate", "stop"], check=False, cwd=self.folder, stdout=subprocess.DEVNULL)

    def database(self, name: str) -> str:
        """A new database; returns what libpq needs to reach it."""
        made = [PROGRAMS / "createdb", "-h", self.folder, "-U", "needle", name]
        subprocess.run(made, check=True)
        return f"dbname={name} host={self.folder} user=needle"


@contextmanager
def postgres() -> Iterator[Postgres]:
    """A server for some tests; they are skipped where NEEDLE_TEST_POSTGRES is not set."""
    if not os.environ.get("NEEDLE_TEST_POSTGRES"):
        pytest.skip("NEEDLE_TEST_POSTGRES is not set: it asks for a local Postgres 15 server")
    if not (PROGRAMS / "initdb").exists():
        pytest.fail(f"{PROGRAMS} has no initdb: install the Debian package postgresql-15, or unset NEEDLE_TEST_POSTGRES")
    server = Postgres(Path(tempfile.mkdtemp(prefix="needle-pg-", dir="/tmp")))
    server.make()
    server.start()
    try:
        yield server
    finally:
        server.kill()
        shutil.rmtree(server.folder, ignore_errors=True)
