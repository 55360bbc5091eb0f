"""``python -m needle_assets_tests.faults POINT ACTION ARGUMENTS``: the command line, in which ACTION happens at a named POINT.

The product knows nothing of this: functions are replaced here before the command starts. ACTION is ``kill`` (SIGKILL),
``fill`` (the disk of NEEDLE_HOME is filled up) or ``wait`` (until a file ``go`` lies in the home).
"""

import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import polars as pl

from needle_assets.assets import detections
from needle_assets.assets.output import Product
from needle_assets.cli import command as cli
from needle_assets.landing import scanning
from needle_assets.orchestration.records import event_storage
from needle_assets.pipeline import run_stage
from needle_assets.settings import Settings
from needle_assets.stages import Stage, stage_named
from needle_assets.warehouse import ledger, rows
from needle_assets.warehouse.copies import backups, publish
from needle_assets.warehouse.landed import manifest

TABLE = "core.detections"  # in the middle of the pipeline: work lies before it and behind it


def kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def wait() -> None:
    home = Path(os.environ["NEEDLE_HOME"])
    (home / "waiting").touch()
    while not (home / "go").exists():
        time.sleep(0.05)


def fill() -> None:
    """Leave no byte of the disk, which must be one of the test's own."""
    home = Path(os.environ["NEEDLE_HOME"])
    assert home.is_mount()
    with (home / "ballast").open("wb", buffering=0) as ballast:
        for size in (1 << 20, 1 << 12, 1):
            try:
                while True:
                    ballast.write(bytes(size))
            except OSError:
                continue


def before(owner: Any, name: str, action: Callable[[], None], *, when: Callable[..., bool] = lambda *_, **__: True) -> None:
    """Let ``action`` happen, once, before a function is called with arguments that fit."""
    original, done = getattr(owner, name), []

    def replaced(*arguments: Any, **named: Any) -> Any:
        if not done and when(*arguments, **named):
            done.append(True)
            action()
        return original(*arguments, **named)

    setattr(owner, name, replaced)


def between_event_batches(action: Callable[[], None]) -> None:
    os.environ["DAGSTER_EVENT_BATCH_SIZE"] = "2"
    before(event_storage.WalEventLogStorage, "store_event_batch", action, when=_second_batch([]))


def _second_batch(seen: list[str]) -> Callable[..., bool]:
    def fits(_storage: Any, events: list[Any]) -> bool:
        event = events[0].dagster_event
        if event is not None and event.event_type_value == "ASSET_MATERIALIZATION":
            seen.append(".".join(event.asset_key.path))
        return seen.count(TABLE) == 2

    return fits


def of_the_table(*arguments: Any, **_: Any) -> bool:
    """Whether a call is about TABLE: its name or stage is among the arguments, or what one of them maps."""
    if any(TABLE in argument for argument in arguments if isinstance(argument, dict)):
        return True
    stages = [getattr(argument, "stage", argument) for argument in arguments]
    return any(TABLE in (stage, getattr(stage, "table", None)) for stage in stages if isinstance(stage, str | Stage))


def of_the_photometry(_folder: Any, file: Any) -> bool:
    return file.kind == "photometry"


def deadly(frames: Mapping[str, pl.DataFrame], settings: Settings) -> Product:
    """The stage of TABLE, in which the object that NEEDLE_TEST_DEADLY names takes its process with it."""
    if os.environ["NEEDLE_TEST_DEADLY"] in frames["raw.alerts"]["object_id"]:
        os._exit(1)
    return detections.detections(frames, settings)


def with_a_deadly_object(_act: Callable[[], None]) -> None:
    object.__setattr__(stage_named(TABLE), "compute", "needle_assets_tests.faults:deadly")


POINTS: dict[str, Callable[[Callable[[], None]], None]] = {
    "during the landing scan": lambda act: before(scanning, "read_whole_file", act, when=of_the_photometry),
    "inside a landing transaction": lambda act: before(manifest, "_add_objects", act),
    "between computing and storing": lambda act: before(run_stage, "_store", act, when=of_the_table),
    "mid-transaction": lambda act: before(rows, "_insert_ledger", act, when=of_the_table),
    "after commit, before events": lambda act: before(run_stage, "_tell", act, when=of_the_table),
    "between event batches": between_event_batches,
    "before marking published": lambda act: before(ledger, "mark_told", act, when=of_the_table),
    "before publishing": lambda act: before(publish, "publish", act),
    "mid-publish": lambda act: before(backups, "_sync", act),
    "with a deadly object": with_a_deadly_object,
    "with a deadly object among workers": with_a_deadly_object,
    "with workers": lambda act: before(run_stage, "_store", act, when=of_the_table),
}


def main(point: str, action: str, *arguments: str) -> None:
    if point.endswith("workers"):
        run_stage.POOL_FROM_OBJECTS = 0
    POINTS[point]({"kill": kill, "fill": fill, "wait": wait}[action])
    sys.argv[1:] = arguments
    cli.main()


if __name__ == "__main__":
    main(*sys.argv[1:])
