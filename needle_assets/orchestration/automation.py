"""What starts work by itself: a sensor that sees new files, and the nightly schedule. Both are off until switched on."""

import hashlib
import os
from pathlib import Path

import dagster as dg

from needle_assets import landing
from needle_assets.home import Home

LANDING_VARIABLE = "NEEDLE_LANDING"


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
        """Look at names, sizes and times of the landed files; a difference starts one refresh."""
        folder = landing_folder(home)
        if folder is None or not folder.is_dir():
            return dg.SkipReason(f"there is no landing folder yet; refresh once with --landing, or set {LANDING_VARIABLE}.")
        seen = _signature(folder)
        if seen == context.cursor:
            return dg.SkipReason(f"nothing new in {folder}.")
        context.update_cursor(seen)
        return dg.RunRequest(run_key=seen, run_config={"resources": {"request": {"config": {"landing": str(folder)}}}})

    return landing_files


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
