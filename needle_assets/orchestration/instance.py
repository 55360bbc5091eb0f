"""Dagster's own state below NEEDLE_HOME: a ``dagster.yaml`` that may be edited, and the instance made from it."""

import os

import dagster as dg

from needle_assets.events import prepare_environment
from needle_assets.home import Home

DAGSTER_YAML = """\
# Written once; edit it freely. For Postgres replace the three storages by:
#   storage: {{postgres: {{postgres_url: "postgresql+psycopg2://USER:PASSWORD@HOST/DATABASE"}}}}
event_log_storage:
  module: needle_assets.event_storage
  class: WalEventLogStorage
  config: {{base_dir: {folder}/history/runs}}
run_storage:
  module: needle_assets.event_storage
  class: LockedRunStorage
  config: {{base_dir: {folder}/history}}
schedule_storage:
  module: needle_assets.event_storage
  class: LockedScheduleStorage
  config: {{base_dir: {folder}/schedules}}
concurrency:
  runs: {{max_concurrent_runs: 1}}
telemetry: {{enabled: false}}
nux: {{enabled: false}}
python_logs: {{python_log_level: WARNING}}
"""


def prepare_instance(home: Home) -> None:
    """Write ``dagster.yaml`` if there is none, and point this process and its children at it."""
    prepare_environment()
    home.prepare()
    os.environ["NEEDLE_HOME"] = str(home.path)
    os.environ["DAGSTER_HOME"] = str(home.dagster)
    path = home.dagster / "dagster.yaml"
    if not path.exists():
        path.write_text(DAGSTER_YAML.format(folder=home.dagster), encoding="utf-8")


def open_instance(home: Home) -> dg.DagsterInstance:
    """The instance of this home."""
    prepare_instance(home)
    return dg.DagsterInstance.from_config(str(home.dagster))
