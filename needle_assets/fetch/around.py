"""What a fetch takes from outside (time, chance, environment, someone to tell) and what can go wrong. No network, no files."""

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from needle_assets.errors import NeedleError


class FetchError(NeedleError):
    """A fetch cannot start or go on; the message says what is missing and what to do."""


class ServiceStoppedError(NeedleError):
    """The service must not be asked any more in this run; the message says why."""


class AnswerError(NeedleError):
    """One request has no usable answer; the message says what came instead."""


class NotThereError(AnswerError):
    """The service says that it does not have what was asked for."""


class DamagedError(AnswerError):
    """The answer came incomplete or garbled; asking again may help."""


class BusyError(AnswerError):
    """The service cannot answer now. ``status`` is None without any answer; ``retry_after`` [s] is what it asks to wait."""

    def __init__(self, reason: str, *, status: int | None = None, retry_after: float | None = None) -> None:
        super().__init__(reason)
        self.status, self.retry_after = status, retry_after


@dataclass(frozen=True)
class Progress:
    """How far a fetch is; as text, one line with the time left. ``seconds_left`` is None where it cannot be told yet."""

    source: str
    what: str
    done: int
    total: int
    failed: int
    seconds_left: float | None

    def __str__(self) -> str:
        failed = f", {self.failed} failed" if self.failed else ""
        return f"{self.source}: {self.done} of {self.total} {self.what}{failed}{_left(self.seconds_left)}"


def _left(seconds: float | None) -> str:
    if seconds is None:
        return ""
    return f", {seconds:.0f} s left" if seconds < 90 else f", {seconds / 60:.0f} min left"


def _tell_nobody(_progress: Progress) -> None:
    return


@dataclass(frozen=True)
class Around:
    """
    What a fetch takes from outside; tests give their own.

    Parameters
    ----------
    clock : callable
        Seconds since 1970.
    sleep : callable
        Waits a number of seconds.
    rng : Generator
        Spreads waiting times, so that many clients do not come back at once.
    environment : mapping
        Where tokens are looked up.
    progress : callable
        Told how far the fetch is, at most a few times a second.
    """

    clock: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep
    rng: np.random.Generator = field(default_factory=np.random.default_rng)
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ, repr=False)
    progress: Callable[[Progress], None] = _tell_nobody
