"""What starts work by itself: a sensor that sees new files, and the nightly schedule. Both are off until switched on."""

import hashlib
import json
import os
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import dagster as dg

from needle_assets.home import Home
from needle_assets.landing import folder as landing

RUN_KEY_TAG = "dagster/run_key"
LANDING_VARIABLE = "NEEDLE_LANDING"
LONGEST_WAIT_SECONDS = 6 * 3600.0
UNDER_WAY = (
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
)


@dataclass(frozen=True)
class Cursor:
    """
    What the sensor knows from look to look.

    ``done`` is the folder that a refresh brought in, ``asked`` the one that the last refresh was started for and ``key`` that run's;
    ``failures`` of it in a row put off the next try until ``due``. No two runs share a key, for Dagster starts none twice: a folder
    that became another and then the first one again is worth a third run.
    """

    done: str = ""
    asked: str = ""
    key: str = ""
    failures: int = 0
    due: float = 0.0

    @classmethod
    def read(cls, text: str | None) -> "Cursor":
        """A stored cursor; that of an older sensor, a signature, means that nothing is known."""
        with suppress(ValueError, TypeError):
            return cls(**json.loads(text or ""))
        return cls()

    def text(self) -> str:
        """As Dagster keeps it."""
        return json.dumps(asdict(self))


def landing_folder(home: Home) -> Path | None:
    """The folder that is watched: the one refreshed before, else what NEEDLE_LANDING names."""
    remembered = home.landing()
    if remembered is not None:
        return remembered
    named = os.environ.get(LANDING_VARIABLE)
    return Path(named) if named else None


def nightly_folder(home: Home) -> Path:
    """The folder that the night fills and reads: the one that is watched, else ``landing`` in the home, to begin from nothing."""
    return landing_folder(home) or home.path / "landing"


def landing_sensor(job: dg.JobDefinition, home: Home) -> dg.SensorDefinition:
    """Start a refresh when files of the landing folder are new or changed."""
    interval = home.settings().schedule.landing_check_seconds

    @dg.sensor(name="landing_files", job=job, minimum_interval_seconds=interval)
    def landing_files(context: dg.SensorEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        """Look at names, sizes and times of the landed files; a difference to what was last brought in starts one refresh."""
        folder = landing_folder(home)
        if folder is None or not folder.is_dir():
            return dg.SkipReason(f"there is no landing folder yet; refresh once with --landing, or set {LANDING_VARIABLE}.")
        known, status = _after_its_run(Cursor.read(context.cursor), context.instance, interval)
        context.update_cursor(known.text())
        seen = _signature(folder)
        if status in UNDER_WAY:
            return dg.SkipReason(f"a refresh of {folder} is under way.")
        if seen == known.done:
            return dg.SkipReason(f"nothing new in {folder}.")
        if seen == known.asked and time.time() < known.due:
            return dg.SkipReason(f"{known.failures} refreshes of {folder} failed in a row; the next is tried later.")
        failures = known.failures if seen == known.asked else 0
        key = f"{seen}-{time.time_ns()}"
        asked = replace(known, asked=seen, key=key, failures=failures)
        context.update_cursor(asked.text())
        return dg.RunRequest(run_key=key, run_config={"resources": {"request": {"config": {"landing": str(folder)}}}})

    return landing_files


def _after_its_run(
    known: Cursor, instance: dg.DagsterInstance, interval_seconds: float
) -> tuple[Cursor, dg.DagsterRunStatus | None]:
    """The cursor after what became of the run that was asked for last, and that run's status; only success moves ``done``."""
    if not known.key:
        return known, None
    found = instance.get_runs(dg.RunsFilter(tags={RUN_KEY_TAG: known.key}), limit=1)
    status = found[0].status if found else None
    if status in UNDER_WAY:
        return known, status
    if status is dg.DagsterRunStatus.SUCCESS:
        return replace(known, done=known.asked, key="", failures=0, due=0.0), status
    wait = min(interval_seconds * 2**known.failures, LONGEST_WAIT_SECONDS)
    return replace(known, key="", failures=known.failures + 1, due=time.time() + wait), status


def nightly_schedule(job: dg.JobDefinition, home: Home) -> dg.ScheduleDefinition:
    """The night, at the time the settings say."""
    schedule = home.settings().schedule
    asked = ", ".join(schedule.sources)
    return dg.ScheduleDefinition(
        name="nightly",
        job=job,
        cron_schedule=schedule.cron,
        execution_timezone=schedule.timezone,
        description=f"Every night: {f'ask {asked}, then ' if asked else ''}bring everything up to date and score candidates.",
    )


def _signature(folder: Path) -> str:
    known = sorted((file.path, file.size, file.mtime_ns) for file in landing.scan(folder) if file.kind != "unknown")
    return hashlib.md5(repr(known).encode(), usedforsecurity=False).hexdigest()
