"""The one seam through which computing goes: tasks in, results in order, in this process or in workers that may die."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Executor, Future, wait
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from needle_assets.errors import NeedleError
from needle_assets.processes.pools import process_pool

if TYPE_CHECKING:
    from needle_assets.processes.cluster import Cluster

IN_FLIGHT_PER_WORKER = 2
SHORT_SECONDS = 1.0
DIED = "its process died each time it was tried: a crash of the code, or too little memory"

T = TypeVar("T")
R = TypeVar("R")


class WorkerDiedError(NeedleError):
    """A task killed its worker again and again, and nobody said what to do about it."""


@dataclass(frozen=True)
class Rescue(Generic[T, R]):
    """
    What is done with a task whose worker died with it twice.

    Parameters
    ----------
    split
        The same work in smaller tasks, such as one for each object; itself alone where it cannot be divided.
    join
        The result of the task from those of the smaller ones, in their order.
    lost
        What stands for the result of a task, as small as can be, that kills its worker.
    """

    split: Callable[[T], Sequence[T]]
    join: Callable[[Sequence[R]], R]
    lost: Callable[[T], R]


# For tasks that are one thing, whose result is then None.
GIVEN_UP: Rescue[Any, Any] = Rescue(lambda task: [task], lambda parts: parts[0], lambda _: None)


class Workers:
    """
    ``map`` runs a function over tasks and yields (task, result) in order.

    Parameters
    ----------
    count : int
        1 computes in this process; more uses a pool that starts at the first need and lives until :meth:`close`.
    marks : Path, optional
        A file that remembers, when this process is gone, what was being computed in it or killed a worker: from then on that
        is left to workers until it succeeds, so that what kills its process is found instead of killing every run.
    before
        Called before each task is computed here, or its result is waited for any longer than a moment.
    cluster : Cluster, optional
        Workers on other machines, in the place of the pool; ``count`` is then how many of them there are.
    """

    def __init__(
        self,
        count: int,
        marks: Path | None = None,
        before: Callable[[], None] = lambda: None,
        cluster: "Cluster | None" = None,
    ) -> None:
        self._before = before
        self._marks = _Marks(marks)
        self._pools = _Pools(count, cluster)
        self._n_deaths = 0

    @property
    def count(self) -> int:
        """How many tasks are computed at once."""
        return self._pools.count

    @property
    def is_started(self) -> bool:
        """Whether there are workers."""
        return self._pools.is_started

    def prepare(self) -> None:
        """Let everything be imported for workers that will be needed, while other work is done here."""
        if self._pools.has_others:
            self._pools.started()

    def close(self) -> None:
        """End the workers."""
        self._pools.close()

    def map(
        self,
        function: Callable[[T], R],
        tasks: Iterable[T],
        *,
        in_pool: bool = True,
        rescue: Rescue[T, R] | None = None,
        name: str = "",
    ) -> Iterator[tuple[T, R]]:
        """
        Results in the order of the tasks, with only a few tasks in memory at a time.

        A task whose worker dies is tried again in a fresh one, then part by part, and only a part that kills its worker again
        is given up, as ``rescue`` says.

        Raises
        ------
        WorkerDiedError
            If such a task can neither be divided nor given up.
        """
        name = name or function.__name__
        is_marked = name in self._marks.read()
        if is_marked or (in_pool and self._pools.has_others):
            yield from self._in_pool(function, tasks, rescue, name)
        else:
            yield from self._here(function, tasks, name)

    def _here(self, function: Callable[[T], R], tasks: Iterable[T], name: str) -> Iterator[tuple[T, R]]:
        is_marked = False
        try:
            for task in tasks:
                if not is_marked:
                    self._marks.add(name)
                    is_marked = True
                self._before()
                yield task, function(task)
        finally:
            if is_marked:
                self._marks.remove(name)

    def _in_pool(
        self, function: Callable[[T], R], tasks: Iterable[T], rescue: Rescue[T, R] | None, name: str
    ) -> Iterator[tuple[T, R]]:
        waiting: deque[tuple[T, Future[R]]] = deque()
        n_deaths, has_work = self._n_deaths, False
        for task in tasks:
            has_work = True
            waiting.append((task, self._submitted(function, task)))
            if len(waiting) >= IN_FLIGHT_PER_WORKER * self.count:
                self._wait_for(waiting[0][1])
                yield self._finished(function, *waiting.popleft(), rescue, name)
        while waiting:
            self._wait_for(waiting[0][1])
            yield self._finished(function, *waiting.popleft(), rescue, name)
        if has_work and self._n_deaths == n_deaths:
            self._marks.remove(name)

    def _wait_for(self, future: "Future[R]") -> None:
        if not wait([future], timeout=SHORT_SECONDS).done:
            self._before()

    def _finished(
        self, function: Callable[[T], R], task: T, future: "Future[R]", rescue: Rescue[T, R] | None, name: str
    ) -> tuple[T, R]:
        try:
            return task, future.result()
        except BrokenExecutor:
            self._n_deaths += 1
            self._marks.add(name)
            return task, self._tried_again(function, task, rescue)

    def _submitted(self, function: Callable[[T], R], task: T) -> "Future[R]":
        try:
            return self._pools.started().submit(function, task)
        except BrokenExecutor:
            # Whose worker died is found out when its result is asked for.
            self._pools.forget()
            return self._pools.started().submit(function, task)

    def _tried_again(self, function: Callable[[T], R], task: T, rescue: Rescue[T, R] | None) -> R:
        with suppress(BrokenExecutor):
            return self._pools.alone(function, task)
        if rescue is None:
            raise WorkerDiedError(f"{function.__name__} could not be done, as {DIED}.")
        parts = rescue.split(task)
        return rescue.join([self._or_lost(function, part, rescue) for part in parts]) if len(parts) > 1 else rescue.lost(task)

    def _or_lost(self, function: Callable[[T], R], part: T, rescue: Rescue[T, R]) -> R:
        try:
            return self._pools.alone(function, part)
        except BrokenExecutor:
            return rescue.lost(part)


class _Pools:
    """The workers themselves: those for everything, and one for a task that is computed alone. Both start at the first need."""

    def __init__(self, count: int, cluster: "Cluster | None") -> None:
        # Of a cluster it is known once it is asked.
        self._count = count if cluster is None else max(count, 2)
        self._cluster = cluster
        self._pool: Executor | None = None
        self._lone: Executor | None = None

    @property
    def count(self) -> int:
        """Of a cluster as many as there are now: its workers come and go."""
        return getattr(self._pool, "count", self._count)

    @property
    def has_others(self) -> bool:
        """Whether anything but this process computes."""
        return self.count > 1 or self._cluster is not None

    @property
    def is_started(self) -> bool:
        return self._pool is not None

    def started(self) -> Executor:
        if self._pool is None:
            self._pool = self._new(self.count)
        return self._pool

    def forget(self) -> None:
        """Start anew at the next need."""
        self._pool = None

    def alone(self, function: Callable[[T], R], task: T) -> R:
        """The result from a worker that does nothing else meanwhile, so that it is certain what killed it."""
        if self._lone is None:
            self._lone = self._new(1) if self._cluster is None else self.started()
        try:
            return self._lone.submit(function, task).result()
        except BrokenExecutor:
            self._lone = None
            raise

    def _new(self, count: int) -> Executor:
        if self._cluster is None:
            return process_pool(count, preload=["needle_assets.pipeline.preloaded"])
        return self._cluster.executor()

    def close(self) -> None:
        for pool in (self._pool, self._lone):
            if pool is not None:
                pool.shutdown(cancel_futures=True)
        self._pool = self._lone = None


class _Marks:
    """Names of what is being computed in this process or killed a worker, in a file that survives it."""

    def __init__(self, path: Path | None) -> None:
        self.path = path

    def read(self) -> set[str]:
        """Every name; none if there is no file, or none that can be read."""
        with suppress(OSError, UnicodeDecodeError):
            return set(self.path.read_text(encoding="utf-8").split()) if self.path else set()
        return set()

    def add(self, name: str) -> None:
        """Remember a name."""
        self._write(self.read() | {name})

    def remove(self, name: str) -> None:
        """Forget a name."""
        self._write(self.read() - {name})

    def _write(self, names: set[str]) -> None:
        # A disk too full for a few names is told by whoever stores results.
        with suppress(OSError):
            if not self.path or names == self.read():
                return
            if not names:
                self.path.unlink(missing_ok=True)
                return
            self.path.write_text("\n".join(sorted(names)) + "\n", encoding="utf-8")
