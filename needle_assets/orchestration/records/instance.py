"""Dagster's own state, in the home or where DAGSTER_HOME says: a ``dagster.yaml`` that may be edited, and the instance made from it."""

import os
import re
from pathlib import Path

import dagster as dg

from needle_assets.errors import NeedleError
from needle_assets.home import Home
from needle_assets.orchestration.records.events import prepare_environment

# Two runs at a time: one works, one waits for the home. With one, a killed run of the command line would block the queue.
DAGSTER_YAML = """\
# Dagster's records in "{folder}"
# Written once; edit it freely (the folder's name is mended when the home is moved). For Postgres replace the three storages by:
#   storage: {{postgres: {{postgres_url: "postgresql+psycopg2://USER:PASSWORD@HOST/DATABASE"}}}}
event_log_storage:
  module: needle_assets.orchestration.records.event_storage
  class: WalEventLogStorage
  config: {{base_dir: "{folder}/history/runs"}}
run_storage:
  module: needle_assets.orchestration.records.event_storage
  class: LockedRunStorage
  config: {{base_dir: "{folder}/history"}}
schedule_storage:
  module: needle_assets.orchestration.records.event_storage
  class: LockedScheduleStorage
  config: {{base_dir: "{folder}/schedules"}}
concurrency: {{runs: {{max_concurrent_runs: 2}}}}
run_monitoring: {{enabled: true, start_timeout_seconds: 600}}
telemetry: {{enabled: false}}
nux: {{enabled: false}}
python_logs: {{python_log_level: WARNING}}
"""


# Names the home whose records lie in a folder that DAGSTER_HOME chose.
OWNER = "needle_home"


class RecordsError(NeedleError):
    """Dagster's records cannot be kept where DAGSTER_HOME says; the message says why and what to do."""


def dagster_folder(home: Home) -> Path:
    """Where Dagster's records of a home lie: in the home, unless DAGSTER_HOME names a folder that is no home's own."""
    given = Path(os.environ.get("DAGSTER_HOME") or home.dagster).expanduser()
    # Opening a home sets the variable, for its children; the next home opened by this process is not to follow it there.
    return home.dagster if given.parts[-2:] == home.dagster.parts[-2:] else given.resolve()


def prepare_instance(home: Home) -> None:
    """
    Write ``dagster.yaml`` if there is none, and point this process and its children at it.

    Raises
    ------
    RecordsError
        If DAGSTER_HOME cannot be used, or holds the records of another home.
    """
    prepare_environment()
    home.prepare()
    folder = dagster_folder(home)
    if folder != home.dagster:
        _claim(folder, home)
    os.environ["NEEDLE_HOME"] = str(home.path)
    os.environ["DAGSTER_HOME"] = str(folder)
    path = folder / "dagster.yaml"
    if not path.exists():
        _write(path, DAGSTER_YAML.format(folder=_quoted(folder)))
        return
    if folder != home.dagster:
        return  # whoever chose the folder wrote the file
    written = path.read_text(encoding="utf-8")
    # Where the storages lay in homes of earlier versions.
    text = written.replace("module: needle_assets.event_storage", "module: needle_assets.orchestration.records.event_storage")
    named = re.match(r'# Dagster\'s records in "(.*)"\n', text)
    if named:
        text = text.replace(named[1], _quoted(home.dagster))
    if text != written:
        _write(path, text)


def _claim(folder: Path, home: Home) -> None:
    """Remember whose records a folder holds: objects of two homes have the same names, and would be taken for one another."""
    owner = folder / OWNER
    try:
        folder.mkdir(parents=True, exist_ok=True)
        holder = owner.read_text(encoding="utf-8").strip() if owner.exists() else ""
        if not holder:
            _write(owner, f"{home.path}\n")
    except OSError as error:
        raise RecordsError(
            f"DAGSTER_HOME is {folder}, which cannot be used ({error.strerror}); name a folder that you may write to, or unset it."
        ) from error
    if holder and holder != str(home.path):
        raise RecordsError(
            f"DAGSTER_HOME is {folder}, which holds the records of the home {holder}, not of {home.path}; give each home a folder "
            f"and a database of its own. If the home was moved, remove {owner}."
        )


def open_instance(home: Home) -> dg.DagsterInstance:
    """The instance of this home."""
    prepare_instance(home)
    return dg.DagsterInstance.from_config(str(dagster_folder(home)))


def report_dead_runs(home: Home, instance: dg.DagsterInstance) -> None:
    """Record as failed the runs whose process was killed: Dagster would show them as running for ever, and count them."""
    for run_id in home.dead_runs():
        run = instance.get_run_by_id(run_id)
        if run is not None and not run.is_finished:
            instance.report_run_failed(
                run, "The process of this run was killed. What it stored is kept; the next refresh goes on."
            )
        home.forget_run(run_id)


def _quoted(folder: Path) -> str:
    return str(folder).replace("\\", "\\\\").replace('"', '\\"')


def _write(path: Path, text: str) -> None:
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)
