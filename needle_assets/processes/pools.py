"""Processes that compute: how they are started, and that none outlives whoever needs it."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import forkserver, resource_tracker

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "POLARS_MAX_THREADS")


def process_pool(count: int, preload: Sequence[str] = ()) -> ProcessPoolExecutor:
    """
    A pool of ``count`` processes with one BLAS thread each.

    Parameters
    ----------
    count : int
        Processes.
    preload : sequence of str
        Modules imported once for all of them.
    """
    # forkserver: a fork of this process would copy Dagster's threads and DuckDB's locks.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(preload))
    # It cleans up after a process that was stopped, which is no reason for a warning. Before what comes next, as it lets Ctrl-C through
    # again once it has started.
    with _environment({"PYTHONWARNINGS": "ignore:resource_tracker"}):
        resource_tracker.ensure_running()
    # Workers inherit the environment: two processes with two BLAS threads each would fight for two cores.
    with _environment(dict.fromkeys(THREADS, "1")), _without_ctrl_c():
        forkserver.ensure_running()
    return ProcessPoolExecutor(count, mp_context=context, initializer=_end_with_parent)


def _end_with_parent() -> None:
    """A killed refresh must not leave workers behind; the fork server, their parent to the system, ends after the last of them."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


@contextmanager
def _without_ctrl_c() -> Iterator[None]:
    """Workers inherit this: a terminal's Ctrl-C reaches every process, and only the command is to act on it."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    """Variables for what is started within the block."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None) if value is None else os.environ.update({name: value})
