"""
Workers on other machines: an executor over a Dask scheduler, in the place of the pool of processes.

Nothing here, nor Dask itself, is imported unless a scheduler is named.
"""

import json
import logging
import os
import pickle
import socket
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import BrokenExecutor, Executor, Future, InvalidStateError
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from needle_assets.errors import NeedleError
from needle_assets.processes.code import code_id

# A worker that does not see a folder misses its first entries as well as any others.
N_ENTRIES = 20
LOOK_SECONDS = 1.0


class ClusterError(NeedleError):
    """The scheduler or its workers cannot be used; the message says why and what to do."""


@dataclass(frozen=True)
class Cluster:
    """
    Where the scheduler is, and who may speak to it.

    Parameters
    ----------
    scheduler : str
        An address such as ``tcp://host:8786`` or ``tls://host:8786``, or the file that ``dask scheduler --scheduler-file`` wrote.
    tls : tuple of str
        Files of the authority's certificate, of our certificate and of our key; needed by ``tls://``.
    folders : sequence of Path
        What every worker must see at the same place, as far as it is there: the landing folder, what is unpacked and frozen.
    timeout_seconds : float
        How long a scheduler that does not answer is waited for.
    workerless_seconds : float
        How long tasks wait when the last worker is gone: a queue may take its time to start another.
    """

    scheduler: str
    tls: tuple[str, str, str] = ("", "", "")
    folders: Sequence[Path] = ()
    timeout_seconds: float = 8.0
    workerless_seconds: float = 600.0

    def executor(self) -> "ClusterExecutor":
        """Connect. Raises ClusterError if Dask is missing, the scheduler does not answer, or it has no worker."""
        return ClusterExecutor(self)


@dataclass(frozen=True)
class _Expected:
    """What must hold where a task is computed: the code, and the folders with the first of their entries."""

    code: str
    folders: tuple[tuple[str, tuple[tuple[str, int], ...]], ...]

    def require(self) -> None:
        """Raise ClusterError, which names this host, where it does not hold."""
        host = socket.gethostname()
        if self.code != code_id():
            raise ClusterError(
                f"the worker on {host} has other code of needle_assets ({code_id()}) than this command ({self.code}); install the "
                "same version there, start the worker again, then run the command again."
            )
        for folder, entries in self.folders:
            missing = [f"lacks {name}, which is" for name, _ in entries if not (Path(folder) / name).exists()]
            missing += [
                f"has an older {name} than" for name, size in entries if not missing and _size(Path(folder) / name) < size
            ]
            if missing or not Path(folder).is_dir():
                what = missing[0] if Path(folder).is_dir() else "is not there, though it is"
                raise ClusterError(
                    f"the worker on {host} does not see {folder} as this command does: it {what} here. Nothing was stored of "
                    "this step; mount the folder there at the same place, then run the command again."
                )


def _entries(folder: Path) -> tuple[tuple[str, int], ...]:
    with os.scandir(folder) as found:
        names = sorted(entry.name for entry in found if not entry.name.startswith("."))[:N_ENTRIES]
    return tuple((name, _size(folder / name)) for name in names)


def _size(path: Path) -> int:
    """Bytes of a file, which may have grown since; of anything else 0. A file is opened, as a mount may remember sizes of before."""
    with suppress(OSError), path.open("rb") as file:
        return os.fstat(file.fileno()).st_size
    return 0


def computed(expected: _Expected, packed: bytes) -> Any:
    """
    The result of a packed function and its task, on a worker. What a worker cannot read is an error with its name, never nothing.

    They are unpacked once it is certain that the code is the same; the scheduler only passes bytes on.
    """
    expected.require()
    function, task = pickle.loads(packed)  # noqa: S301 - from the command, which may run whatever it wants here
    try:
        result = function(task)
    except OSError as error:
        raise ClusterError(
            f"the worker on {socket.gethostname()} failed ({error}); what this command reads must be readable there too."
        ) from error
    expected.require()  # a mount that went away meanwhile would only be told object by object
    return result


class ClusterExecutor(Executor):
    """
    Tasks to the workers of a scheduler.

    A worker that is lost is made good by the scheduler, which gives its tasks to another. A task that was lost with several is told
    like one that killed a process of a pool: BrokenExecutor. ``count`` is how many workers there are now.
    """

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._client = _connected(cluster)
        self._futures: set[Any] = set()
        self._waiting: set[Future[Any]] = set()
        self._ended = threading.Event()
        threads = self._client.nthreads()
        self.count = len(threads)
        if any(n != 1 for n in threads.values()):
            self.shutdown()
            raise ClusterError(
                f"a worker of {cluster.scheduler} computes {max(threads.values())} tasks at once in one process, where they would "
                "disturb each other; start workers with --nthreads 1, as many as there are cores."
            )
        if not self.count:
            self.shutdown()
            raise ClusterError(
                f"the scheduler {cluster.scheduler} has no worker; start some (`dask worker {cluster.scheduler} --nthreads 1`), then "
                "run the command again."
            )
        threading.Thread(target=self._watch, daemon=True).start()

    def _watch(self) -> None:
        """Let nobody wait for ever for workers that do not come back."""
        seen = time.monotonic()
        while not self._ended.wait(LOOK_SECONDS):
            with suppress(Exception):  # whatever is wrong with the scheduler, those who wait are told by the client
                n_workers = len(self._client.nthreads())
                self.count = n_workers or self.count
                seen = time.monotonic() if n_workers else seen
            if time.monotonic() - seen > self._cluster.workerless_seconds:
                self._give_up(time.monotonic() - seen)

    def _give_up(self, seconds: float) -> None:
        error = ClusterError(
            f"the scheduler {self._cluster.scheduler} has had no worker for {seconds:.0f} s; what was stored is kept. Start some, then "
            "run the command again."
        )
        for ours in list(self._waiting):
            with suppress(InvalidStateError):
                ours.set_exception(error)

    def submit(self, function: Callable[..., Any], /, *given: Any, **_unused: Any) -> "Future[Any]":
        """Compute ``function`` of one task on a worker that has this code and sees these folders."""
        (task,) = given
        folders = tuple((str(folder), _entries(folder)) for folder in self._cluster.folders if folder.is_dir())
        packed = pickle.dumps((function, task), protocol=pickle.HIGHEST_PROTOCOL)
        try:
            theirs = self._client.submit(computed, _Expected(code_id(), folders), packed, pure=False)
        except Exception as error:  # a client that has lost its scheduler refuses everything
            raise _lost(self._cluster) from error
        ours: Future[Any] = Future()
        ours.set_running_or_notify_cancel()
        self._futures.add(theirs)
        self._waiting.add(ours)
        theirs.add_done_callback(lambda done: self._hand_over(done, ours))
        return ours

    def _hand_over(self, theirs: Any, ours: "Future[Any]") -> None:
        """Called in a thread of Dask's when a task ended in whatever way."""
        self._futures.discard(theirs)
        self._waiting.discard(ours)
        with suppress(InvalidStateError):  # nobody waits any longer
            try:
                ours.set_result(theirs.result(timeout=self._cluster.timeout_seconds))
            except InvalidStateError:
                raise
            except Exception as error:
                ours.set_exception(self._told(error, theirs.status))

    def _told(self, error: Exception, status: str) -> Exception:
        """What is said of a task that failed: cancelled, or not to be had, if the scheduler has gone; else what the task raised."""
        from distributed.scheduler import KilledWorker

        if isinstance(error, KilledWorker):
            return BrokenExecutor(str(error))
        return _lost(self._cluster) if status in ("cancelled", "lost") and not isinstance(error, NeedleError) else error

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: ARG002 - as Executor has it
        """Leave the scheduler; what is still waiting there is given up."""
        self._ended.set()
        with suppress(Exception):  # it may be gone, which is no reason not to end
            self._client.cancel(list(self._futures), force=True)
        with suppress(Exception):
            self._client.close(timeout=2)


def _connected(cluster: Cluster) -> Any:
    """A client of the scheduler, which has workers or will have them."""
    try:
        import dask
        from distributed import Client
        from distributed.security import Security
    except ImportError as error:
        raise ClusterError(
            f"[compute] names the scheduler {cluster.scheduler}, which needs Dask; run: pip install 'needle_assets[dask]'"
        ) from error
    # It writes tracebacks of what it tries again by itself; what is wrong in the end is raised.
    for name in ("distributed", "distributed.client", "distributed.core"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    # Tasks carry what they compute from, a few MB each: there is nothing to advise against.
    dask.config.set({"distributed.admin.large-graph-warning-threshold": "1GB"})
    authority, certificate, key = cluster.tls
    security = Security(
        tls_ca_file=authority or None, tls_client_cert=certificate or None, tls_client_key=key or None, require_encryption=True
    )
    connect = partial(
        Client,
        _address(cluster.scheduler),
        timeout=cluster.timeout_seconds,
        security=security if any(cluster.tls) else None,
        set_as_default=False,
        name="needle",
    )
    try:
        return _within(cluster.timeout_seconds, connect)
    except (OSError, ValueError) as error:
        raise _lost(cluster, error) from error


def _within(seconds: float, make: Callable[[], Any]) -> Any:
    """What ``make`` makes; TimeoutError where it does not return in time, as a client does not that has met another kind of server."""
    made: Future[Any] = Future()

    def work() -> None:
        try:
            made.set_result(make())
        except Exception as error:
            made.set_exception(error)

    threading.Thread(target=work, daemon=True).start()
    return made.result(timeout=seconds + 0.5)


def _address(scheduler: str) -> str:
    """The address that a scheduler's file holds, or that is given. Dask waits for ever for a file that is not there."""
    if "://" in scheduler:
        return scheduler
    try:
        address: str = json.loads(Path(scheduler).read_text(encoding="utf-8"))["address"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ClusterError(
            f"{scheduler} cannot be read as the file of a scheduler ({error}); start one with "
            f"`dask scheduler --scheduler-file {scheduler}`, or name its address in [compute] of the settings."
        ) from error
    return address


def _lost(cluster: Cluster, error: Exception | None = None) -> ClusterError:
    why = "the connection to it was lost" if error is None else " ".join(str(error).split())[:200] or type(error).__name__
    return ClusterError(
        f"the scheduler {cluster.scheduler} does not answer ({why}); what was stored is kept. Start it, and its workers, then run the "
        "command again; without [compute] scheduler everything is computed on this machine."
    )
