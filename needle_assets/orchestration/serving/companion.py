"""A process that ends with whoever started it: with everything that it started itself, and also if that one was killed."""

import os
import runpy
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress

PATIENCE_SECONDS = 3.0
_START = "import sys; from needle_assets.orchestration.serving.companion import become; become(*sys.argv[1:])"


class Companion:
    """
    A program of Python, started beside this process, in a session of its own: Ctrl-C on a terminal is not for it.

    Parameters
    ----------
    name : str
        What to call it in sentences.
    module : str
        What ``python -m`` would run.
    arguments : sequence of str
        Its arguments.
    """

    def __init__(self, name: str, module: str, arguments: Sequence[str]) -> None:
        self.name = name
        command = [sys.executable, "-c", _START, module, *arguments]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)  # noqa: S603 - our own interpreter

    def end(self) -> None:
        """Ask it to end; it and what it started are killed if it does not."""
        assert self.process.stdin is not None
        self.process.stdin.close()

    def wait(self) -> None:
        """Wait until it has ended; then nothing that it started is left."""
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(PATIENCE_SECONDS + 1.0)
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)


def become(module: str, *arguments: str) -> None:
    """Run a module as ``python -m`` does, until the pipe from whoever started this process is closed, by word or by death."""
    pipe = os.dup(0)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    threading.Thread(target=_end_with, args=(pipe,), daemon=True).start()
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def _end_with(pipe: int) -> None:
    os.read(pipe, 1)
    os.killpg(0, signal.SIGTERM)
    time.sleep(PATIENCE_SECONDS)
    os.killpg(0, signal.SIGKILL)
