"""
Ends a command that is asked to stop, by Ctrl-C or SIGTERM: at once and with one sentence. What was stored survives, as it survives a kill.

An exception raised by a signal handler lands anywhere, also inside DuckDB, which then aborts the process or never lets go of its file. So a
command works in a thread of its own, where no signal is ever handled, and the main thread does nothing but wait for signals.
"""

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)
SENTENCE = "needle: stopped; what was stored is kept, run the command again to go on.\n"
# Programs that draw progress on a terminal hide its cursor.
SHOW_CURSOR = "\r\x1b[K\x1b[?25h"
LOOK_SECONDS = 0.5

_before_the_end: list[Callable[[], None]] = []


def watch() -> None:
    """From now on a signal ends this process; call it before anything that takes long, imports included."""
    for number in SIGNALS:
        signal.signal(number, _stop)


def run(command: Callable[[], None]) -> None:
    """Do ``command`` in a thread that no signal interrupts; what it raises is raised here, and a signal ends the process meanwhile."""
    watch()
    raised: list[BaseException] = []

    def work() -> None:
        try:
            command()
        except BaseException as error:
            raised.append(error)

    worker = threading.Thread(target=work, name="command", daemon=True)
    worker.start()
    while worker.is_alive():
        worker.join(LOOK_SECONDS)  # another thread may have been given the signal, and only this one acts on it
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)  # everything is done, and the interpreter is not to be disturbed while it ends
    if raised:
        raise raised[0]


@contextmanager
def ending_with(end: Callable[[], None]) -> Iterator[None]:
    """Call ``end`` when the block ends, and also if a signal ends the process within it."""
    _before_the_end.append(end)
    try:
        yield
    finally:
        _before_the_end.remove(end)
        end()


def _stop(number: int, _frame: FrameType | None) -> None:
    for end in _before_the_end:
        with suppress(Exception):
            end()
    with suppress(Exception):
        _kill_workers()
    with suppress(OSError):
        os.write(2, ((SHOW_CURSOR if os.isatty(2) else "") + SENTENCE).encode())
    os._exit(128 + number)


def _kill_workers() -> None:
    """They would end by themselves a little later; the next command is not to meet them."""
    multiprocessing = sys.modules.get("multiprocessing")
    for child in multiprocessing.active_children() if multiprocessing else []:
        child.kill()


@contextmanager
def signals_held() -> Iterator[None]:
    """
    Let handlers of signals wait until the block ends, where they belong to somebody else, such as Dagster in a run of its own.

    Handlers of Python run in the main thread alone: in any other there is nothing to hold.
    """
    if threading.current_thread() is not threading.main_thread() or _is_ours(signal.getsignal(signal.SIGINT)):
        yield
        return
    arrived: list[int] = []
    before = {number: signal.getsignal(number) for number in SIGNALS}
    held = _Held(arrived)
    try:
        for number in SIGNALS:
            signal.signal(number, held)
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        if arrived:
            signal.raise_signal(arrived[0])


class _Held:
    """A handler that only remembers what arrived."""

    def __init__(self, arrived: list[int]) -> None:
        self.arrived = arrived

    def __call__(self, number: int, _frame: FrameType | None) -> None:
        self.arrived.append(number)


def _is_ours(handler: object) -> bool:
    """Whether signals are held already, or end the process without raising anything."""
    return handler is _stop or isinstance(handler, _Held)
