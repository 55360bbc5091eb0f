"""A night's work apart from Dagster: services are asked one after the other, a failing one stops nothing, all is summed up.

The summary is one row of ``lineage.nights``. The job ``nightly`` (``orchestration.jobs.nightly``) and ``needle refresh --fetch`` use this.
"""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from needle_assets.fetch import Around, FetchError, FetchSummary, fetch
from needle_assets.pipeline.session import Session, StageReport
from needle_assets.settings import Settings
from needle_assets.warehouse.connection import writing
from needle_assets.warehouse.results import nights
from needle_assets.warehouse.rows import now

MARKDOWN_ROWS = {
    "new_objects": "new objects",
    "new_detections": "new detections",
    "new_high_scores": "new high scores",
    "n_computed": "products computed",
    "n_left": "left for the next night",
    "failures": "failures",
}
SHOWN_FAILURES = 20
SHOWN_SCORES = 10


@dataclass(frozen=True)
class Fetched:
    """What came of asking one source: a summary, or in a sentence why there is none."""

    source: str
    summary: FetchSummary | None
    problem: str | None = None

    @property
    def failure(self) -> str | None:
        """What was not done, in one sentence; None if everything was."""
        if self.summary is None:
            return f"{self.source}: {self.problem}"
        if self.summary.is_complete:
            return None
        first = self.summary.failures[:1]
        said = [
            f"{len(self.summary.failures)} requests failed, the first: {first[0].what}: {first[0].reason}" if first else "",
            self.summary.stopped or "",
            f"{self.summary.left} were not reached" if self.summary.left else "",
        ]
        return f"{self.source}: {'; '.join(text.rstrip('.') for text in said if text)}"

    @property
    def n_left(self) -> int:
        """How much waits for the next night."""
        return self.summary.left + len(self.summary.failures) if self.summary else 0

    @property
    def counts(self) -> dict[str, int | float]:
        """Numbers of the summary."""
        if self.summary is None:
            return {}
        return {name: value for name, value in self.summary.as_dict().items() if type(value) in (int, float)}

    @property
    def markdown(self) -> str:
        """The failures as people read them."""
        if self.failure is None:
            return "everything that was due was done"
        listed = self.summary.failures if self.summary else ()
        lines = [f"* {shown.what}: {shown.reason}" for shown in listed[:SHOWN_FAILURES]]
        more = [f"* and {len(listed) - SHOWN_FAILURES} more"] if len(listed) > SHOWN_FAILURES else []
        return "\n".join([self.failure, "", *lines, *more])


def ask(source: str, landing: Path, *, settings: Settings, around: Around) -> Fetched:
    """Fetch from one source; whatever goes wrong is said in the result."""
    try:
        return Fetched(source, fetch(source, landing, settings=settings, around=around))
    except (FetchError, OSError) as why:
        return Fetched(source, None, str(why))
    except Exception as error:  # a bug of ours or a surprise of theirs; its text is not repeated, because it may quote a request
        where = f"`needle --debug fetch {source} --landing {landing}` shows where"
        return Fetched(source, None, f"the code failed ({type(error).__name__}); {where}.")


@dataclass
class Night:
    """One run of the night, from the first question to the summary."""

    run_id: str
    landing: Path
    settings: Settings
    around: Around
    started_at: dt.datetime = field(default_factory=now)
    fetched: list[Fetched] = field(default_factory=list)
    is_begun: bool = False

    def ask(self, source: str, around: Around | None = None) -> Fetched:
        """Fetch from one source and keep what came of it."""
        found = ask(source, self.landing, settings=self.settings, around=around or self.around)
        self.fetched.append(found)
        return found

    def begin(self, session: Session) -> None:
        """Write down what services said, before anything is computed."""
        session.home.remember_landing(self.landing.resolve())
        failures = [found.failure for found in self.fetched if found.failure]
        n_left = sum(found.n_left for found in self.fetched)
        with writing(session.home.working) as connection:
            sources = [found.source for found in self.fetched]
            nights.begin(connection, self.run_id, self.started_at, sources, failures=failures, n_left=n_left)
        self.is_begun = True

    def end(self, session: Session) -> dict[str, Any]:
        """Write down what the night brought; returns the row."""
        session.is_night = True
        n_computed = sum(report.computed for report in session.reports.values())
        with writing(session.home.working) as connection:
            nights.end(connection, self.run_id, n_computed=n_computed, failures=code_failures(session.reports))
        return summary_of(session, self.run_id)

    def cut_short(self, session: Session, sentence: str) -> dict[str, Any]:
        """Write down why the night ends early; returns the row."""
        with writing(session.home.working) as connection:
            nights.note_failure(connection, self.run_id, sentence)
        return summary_of(session, self.run_id)


def summary_of(session: Session, run_id: str) -> dict[str, Any]:
    """The row of a night; empty if it was not begun."""
    with writing(session.home.working) as connection:
        return nights.night(connection, run_id) or {}


def code_failures(reports: Mapping[str, StageReport]) -> list[str]:
    """A sentence for every product whose code failed on some objects."""
    return [f"{table}: the code failed on {report.failed} objects" for table, report in reports.items() if report.failed]


def as_markdown(row: Mapping[str, Any]) -> str:
    """A night as a table of two columns."""
    shown = {**row, "new_high_scores": [f"{name}: {why}" if why else name for name, why in _high_scores(row)]}
    lines = [f"| {title} | {_cell(shown[name])} |" for name, title in MARKDOWN_ROWS.items()]
    took = "cut short" if row["ended_at"] is None else f"{row['seconds']:.0f} s"
    return "\n".join([f"| night of {row['started_at']:%Y-%m-%d %H:%M} UTC | {took} |", "|---|---|", *lines])


def as_text(row: Mapping[str, Any]) -> str:
    """A night in a few lines."""
    listed = _high_scores(row)
    names, more = ", ".join(name for name, _ in listed[:SHOWN_SCORES]), " ..." if len(listed) > SHOWN_SCORES else ""
    scores = f"{len(listed)} new high scores{': ' if listed else ''}{names}{more}"
    first = f"{row['new_objects']} new objects, {row['new_detections']} new detections, {scores}"
    left = f"{row['n_left']} left for the next night" if row["n_left"] else "nothing left for the next night"
    against = [f"  against {name}: {why}" for name, why in listed[:SHOWN_SCORES] if why]
    return "\n".join([first + "; " + left, *against, *(f"  failed: {failure}" for failure in row["failures"])])


def _high_scores(row: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The new high scores of a night, each with what speaks against it (nothing in rows of before that was noted)."""
    names = row["new_high_scores"] or []
    against = row["against"] or []
    return list(zip(names, against if len(against) == len(names) else [""] * len(names), strict=True))


def _cell(value: Any) -> str:
    if isinstance(value, list):
        return "<br>".join(str(one).replace("|", "\\|") for one in value) or "none"
    return "unknown" if value is None else str(value)
