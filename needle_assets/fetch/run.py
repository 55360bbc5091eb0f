"""One run of one source: which objects are due, trying each, counting, telling, and what is kept for the next night."""

import contextlib
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from needle_assets.errors import Rejection
from needle_assets.fetch.around import (
    AnswerError,
    Around,
    NotThereError,
    Progress,
    ServiceStoppedError,
)
from needle_assets.fetch.folder import LandingFolder
from needle_assets.fetch.service import Service
from needle_assets.settings import Settings

SAVE_EVERY_SECONDS = 20.0
TELL_EVERY_SECONDS = 0.25

T = TypeVar("T")


@dataclass(frozen=True)
class Failure:
    """What could not be had, and why; it is asked for again in the next run."""

    what: str
    reason: str


@dataclass(frozen=True)
class FetchSummary:
    """
    What one run did.

    Attributes
    ----------
    source : str
    asked : int
        Objects (or nights) asked for with success.
    left : int
        Objects that were due and were not reached.
    objects, packets, detections, hosts : int
        New in the folder: catalogue rows, alert packets, rows of photometry, rows of hosts.
    absent : int
        Things the service says it does not have.
    requests, bytes : int
        Made and received.
    failures : tuple of Failure
    stopped : str or None
        Why the run ended early.
    seconds : float
    aside : tuple of Failure
        Messages of a stream that are no packets, each with the reason; they are kept.
    notes : tuple of str
        What else a user is to know.
    """

    source: str
    asked: int
    left: int
    objects: int
    packets: int
    detections: int
    hosts: int
    absent: int
    requests: int
    bytes: int
    failures: tuple[Failure, ...]
    stopped: str | None
    seconds: float
    aside: tuple[Failure, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def is_complete(self) -> bool:
        """Whether everything that was due was done."""
        return not self.failures and self.stopped is None and self.left == 0

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON and tables."""
        return {**asdict(self), "is_complete": self.is_complete}


@dataclass
class Run:
    """
    The state of one run; sources count in it and fetch through it.

    ``wanted`` names what is due (objects, or nights), ``done`` and ``failed`` what was answered in full and what was not, and
    ``waiting`` that of which the service does not have something yet.
    """

    folder: LandingFolder
    settings: Settings
    around: Around
    state: dict[str, Any] = field(default_factory=dict)
    wanted: tuple[str, ...] = ()
    done: set[str] = field(default_factory=set)
    failed: set[str] = field(default_factory=set)
    waiting: set[str] = field(default_factory=set)
    objects: int = 0
    packets: int = 0
    detections: int = 0
    hosts: int = 0
    absent: int = 0
    aside: list[Failure] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    stopped: str | None = None
    _in_a_row: int = 0
    _started: float = 0.0
    _saved: float = 0.0
    _told: float = 0.0

    def __post_init__(self) -> None:
        self._started = self._saved = self.around.clock()

    def known(self, name: str) -> dict[str, Any]:
        """What is kept about an object or night between runs."""
        known: dict[str, Any] = self.state["objects"].setdefault(name, {})
        return known

    def attempt(self, what: str, ask: Callable[[], T], *, of: Collection[str], may_be_absent: bool = False) -> T | None:
        """
        The result of ``ask``; None where it gives no usable answer, which is listed.

        Parameters
        ----------
        what : str
            What is asked for, as a failure names it.
        ask : callable
            May raise AnswerError, or Rejection for an answer whose content cannot be used.
        of : collection of str
            The wanted things it belongs to: they count as failed with it.
        may_be_absent : bool
            Whether it is no failure, only counted, if the service says that it does not have it.

        Raises
        ------
        ServiceStoppedError
            If ``ask`` raises it, or too many attempts in a row had no usable answer.
        """
        try:
            result = ask()
        except (AnswerError, Rejection) as why:
            if not (may_be_absent and isinstance(why, NotThereError)):
                self._fail(what, str(why), of)
                return None
            self.absent += 1
            self.waiting.update(of)
            result = None
        self._in_a_row = 0
        return result

    def each(self, things: Iterable[T], ask: Callable[[T], object], what: str = "objects") -> None:
        """``ask`` for one thing (or batch) after the other until the service must not be asked any more; tells and saves."""
        try:
            for thing in things:
                ask(thing)
                if self.wanted:
                    self.tell(what, len(self.done | self.failed), len(self.wanted))
                if self.around.clock() - self._saved > SAVE_EVERY_SECONDS:
                    self.save()
        except ServiceStoppedError as why:
            self.stopped = str(why)

    def finish(self, name: str, **learnt: Any) -> None:
        """Note that an object or night was asked for now, and what was learnt for deciding when to ask again."""
        self.done.add(name)
        self.known(name).update(asked=round(self.around.clock(), 1), **learnt)

    def finish_absent(self, name: str) -> None:
        """Note that the service does not know this; it is due again until it was asked for often enough."""
        self.done.add(name)
        self.absent += 1
        self.note_absent(name)
        if self.is_given_up(name):
            del self.state["absent"][name]
            self.finish(name)

    def is_given_up(self, name: str) -> bool:
        """Whether the service said so often that it does not have this that it is not asked again."""
        return int(self.state["absent"].get(name, 0)) >= self.settings.fetch.absent_tries

    def note_absent(self, name: str) -> None:
        """Count that the service does not have this."""
        self.state["absent"][name] = int(self.state["absent"].get(name, 0)) + 1

    def tell(self, what: str, done: int, total: int, *, since: float | None = None) -> None:
        """Tell how far the run is, or something in it that began at ``since``, a few times a second."""
        now = self.around.clock()
        if done < total and now - self._told < TELL_EVERY_SECONDS:
            return
        self._told = now
        left = (now - (self._started if since is None else since)) / done * (total - done) if done and total >= done else None
        self.around.progress(Progress(self.folder.source, what, done, total, len(self.failures), left))

    def save(self) -> None:
        """Keep what was asked; what failed is named there too and is due at once."""
        again = self.failed | self.waiting
        for name in again:
            self.known(name)["again"] = True
        for name in self.done - again:
            self.state["objects"].get(name, {}).pop("again", None)
        self.state["failures"] = {failure.what: failure.reason for failure in self.failures}
        self.folder.write_state(self.state)
        self._saved = self.around.clock()

    def summary(self, *services: Service) -> FetchSummary:
        """What was done."""
        counted = {name: getattr(self, name) for name in ("objects", "packets", "detections", "hosts", "absent", "stopped")}
        return FetchSummary(
            source=self.folder.source,
            asked=len(self.done - self.failed),
            left=len(set(self.wanted) - self.done - self.failed),
            requests=sum(service.n_requests for service in services),
            bytes=sum(service.n_bytes for service in services),
            failures=tuple(self.failures),
            aside=tuple(self.aside),
            notes=tuple(self.notes),
            seconds=self.around.clock() - self._started,
            **counted,
        )

    def _fail(self, what: str, reason: str, of: Collection[str]) -> None:
        self.failures.append(Failure(what, reason))
        self.failed.update(of)
        self._in_a_row += 1
        if self._in_a_row >= self.settings.fetch.failures_in_a_row:
            self._in_a_row = 0
            raise ServiceStoppedError(
                f"{self.settings.fetch.failures_in_a_row} requests in a row failed; the rest is left for the next run."
            )


@contextlib.contextmanager
def running(source: str, landing: Path, settings: Settings, around: Around) -> Iterator[Run]:
    """A run that alone writes for its source; what it learnt is kept however it ends."""
    folder = LandingFolder(landing, source)
    with folder.held():
        run = Run(folder, settings, around, _usable(folder.state()))
        try:
            yield run
        finally:
            run.save()


def _usable(state: dict[str, Any]) -> dict[str, Any]:
    """What was kept, with what is needed in it and without what is not of its form."""
    kept = {**state, **{name: {} for name in ("objects", "absent", "merged") if not isinstance(state.get(name), dict)}}
    return {**kept, "objects": {name: what for name, what in kept["objects"].items() if isinstance(what, dict)}}
