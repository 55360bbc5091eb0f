"""What a warehouse costs as it grows, in one file and in a lake: plan, store, publish, idle refresh, new objects, a page, memory, disk.

usage: python benchmarks/scale.py [--objects 1000] [--catalogue postgres:...] [--folder DIR]

A few simulated objects are refreshed, and their rows copied under new ids and places until there are as many as asked for; the lake is
filled from that file by `needle warehouse copy`. 10,000 objects take 7 GB of disk for each, 100,000 ten times as much. Without
--catalogue the lake's is SQLite; --catalogue postgres:... names an empty database. Compare the columns of one run, not seconds of two.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa

from needle_assets.cli.storing import run_copy
from needle_assets.home import Home
from needle_assets.pipeline import plan
from needle_assets.pipeline.run_stage import _depot
from needle_assets.pipeline.session import Session, no_progress
from needle_assets.simulation import simulate
from needle_assets.stages import STAGES
from needle_assets.warehouse import ledger, rows, schema
from needle_assets.warehouse.connection import Connection, kept_open, writing
from needle_assets.warehouse.lake import deposits
from needle_assets.warehouse.pages import objects as pages
from needle_assets.warehouse.pages.published import Published

N_BASE, N_NEW, BATCH = 40, 20, 256
STAMPS = next(stage for stage in STAGES if stage.table == "core.stamps")
# Copies are other objects at other places with other names.
SHIFTED = {
    "raw.objects": {"ra_deg": "(t.ra_deg + m.shift_deg) % 360", "iau_name": "t.iau_name || m.suffix"},
    "raw.alerts": {"ra": "(t.ra + m.shift_deg) % 360"},
}


def filled(folder: Path, n_objects: int) -> Home:
    """A home of ``n_objects`` objects in one file, with nothing left to compute."""
    simulate(folder / "landing", objects=N_BASE, seed=8, workers=2)
    home = Home(folder / "file").prepare()
    home.settings_file.write_text("[publishing]\nkept = 0\n", encoding="utf-8")
    needle(home, "refresh", "--landing", folder / "landing")
    with kept_open(home.working), writing(home.working) as connection:
        ids = [row[0] for row in connection.execute("select object_id from lineage.objects order by 1").fetchall()]
        for first in range(0, n_objects - len(ids), 20 * len(ids)):
            _copy(connection, ids, range(first, min(first + 20 * len(ids), n_objects - len(ids))))
        _settle(connection, Session(home, home.settings()))
    needle(home, "refresh")
    return home


def _copy(connection: Connection, ids: list[str], numbers: range) -> None:
    """Rows of the given objects under the names of new ones."""
    made = {"base_id": [ids[n % len(ids)] for n in numbers], "new_id": [_name(n) for n in numbers]}
    places = {"shift_deg": [0.0137 * (1 + n) for n in numbers], "suffix": [f"-{n}" for n in numbers]}
    connection.register("copies", pa.table({**made, **places}))
    connection.execute("begin")
    for name, table in schema.read_tables().items():
        if "object_id" in table.create and name not in ("results.training_sets", "results.sent"):
            replaced = {"object_id": "m.new_id", **SHIFTED.get(name, {})}
            chosen = ", ".join(f"{value} as {column}" for column, value in replaced.items())
            connection.execute(
                f"insert into {name} select t.* replace ({chosen}) from {name} t join copies m on m.base_id = t.object_id"
            )
    connection.execute("commit")


def _name(number: int) -> str:
    letters = "".join(chr(97 + number // 26**place % 26) for place in range(6, -1, -1))
    return f"ZTF25{letters}"


def _settle(connection: Connection, session: Session) -> None:
    """Products without objects count as computed from all there are now."""
    ledger.register_graph(connection, session.stages, session.tables, session.settings)
    for stage, object_id in ledger.stale(connection):
        assert object_id is None, f"{stage} of {object_id} would be computed"
        found = ledger.wanted(connection, stage, stale_only=True)[None]
        connection.execute(
            "update lineage.ledger set fingerprint = ?, parents = ? where asset = ? and object_id is null",
            [found.fingerprint, found.parents, stage],
        )
    schema.bump_change(connection)


def in_a_lake(file: Home, catalogue: str) -> Home:
    """The same home in a lake."""
    home = Home(file.path.with_name("lake"))
    shutil.copytree(file.path, home.path, ignore=shutil.ignore_patterns("backups", "needle.duckdb"))
    shutil.copytree(
        file.path.with_name("landing"), landing := file.path.with_name("landing-of-the-lake"), copy_function=shutil.copy2
    )
    home.remember_landing(landing)
    home.settings_file.write_text(
        f'[publishing]\nkept = 0\n[warehouse]\ncatalogue = "{catalogue}"\ndata = "rows"\n', encoding="utf-8"
    )
    run_copy(home, no_progress)
    shutil.rmtree(home.backups)
    needle(home, "maintain", "--days", 0)
    return home


def needle(home: Home, *arguments: object) -> tuple[float, float]:
    """A command in a process of its own: its seconds, and the most memory it had [MB]."""
    command = [sys.executable, "-m", "needle_assets.cli", *map(str, arguments)]
    began = time.monotonic()
    child = subprocess.Popen(command, env={**os.environ, "NEEDLE_HOME": str(home.path)}, stdout=subprocess.DEVNULL)
    most_kb, status = 0, Path(f"/proc/{child.pid}/status")
    while child.poll() is None:  # what the system says of a child that ended counts its parent's memory at the fork
        found = re.search(r"VmHWM:\s+(\d+)", status.read_text())
        most_kb = max(most_kb, int(found[1]) if found else 0)
        time.sleep(0.02)
    assert child.returncode in (0, 1), command
    return time.monotonic() - began, most_kb / 1000


def timed(work: Callable[[], object]) -> float:
    """Seconds of the second of two calls."""
    work()
    began = time.monotonic()
    work()
    return time.monotonic() - began


def measured(home: Home, landing: Path) -> dict[str, float]:
    """Everything that is printed, of one home."""
    found: dict[str, float] = {}
    session, asked = Session(home, home.settings()), Published(home.published)
    with kept_open(home.working):
        found["plan of an idle refresh [s]"] = timed(lambda: plan.stale(session))
        found["store 256 stamps [s]"] = timed(lambda: _stored(session))
        with writing(home.working) as connection:
            for table in ("core.stamps", "lineage.ledger", "lineage.contents"):
                connection.execute(f"delete from {table} where starts_with(object_id, 'ZTF17')")
        found["publish [s]"] = _published(session)
    object_id = asked.first("select object_id from lineage.objects order by object_id desc")["object_id"]
    found["page of an object [s]"] = timed(lambda: (pages.known(asked, object_id), pages.told(asked, object_id)))
    asked.close()
    found["idle refresh [s]"], found["memory of an idle refresh [MB]"] = needle(home, "refresh")
    _land(landing, len(list((landing / "alerts").rglob("*.avro"))))
    found["20 new objects [s]"], found["memory of it [MB]"] = needle(home, "refresh", "--landing", landing)
    found["disk [MB]"] = sum(path.stat().st_size for path in home.path.rglob("*") if path.is_file()) / 1e6
    return found


def _published(session: Session) -> float:
    with writing(session.home.working) as connection:
        schema.bump_change(connection)
    began = time.monotonic()
    session.publish()
    return time.monotonic() - began


def _stored(session: Session) -> None:
    """Noise in the place of stamps, of objects that are no others'; as a refresh stores what a worker gave it."""
    rng = np.random.default_rng(time.monotonic_ns())
    pixels = rng.normal(200.0, 9.0, (BATCH, 3600)).astype(np.float32)
    ids = [f"ZTF17{_name(n)[5:]}" for n in range(BATCH)]
    given = [
        {"object_id": ids[n], "candid": n, "band": "g", "mjd": 59000.0, "target_x_px": 29.5, "target_y_px": 29.5}
        | dict.fromkeys(("science", "reference"), pixels[n])
        for n in range(BATCH)
    ]
    depot, plans = _depot(session, STAMPS), {name: ledger.Plan("", "") for name in ids}
    with writing(session.home.working) as connection:
        table = rows.to_arrow(given, rows.arrow_schema(connection, STAMPS.table))
        left = (deposits.leave(depot, table),) if depot else ()
        kept = table.select(["object_id", "candid"]) if left else table
        writer = rows.Writer("run", "run", None)
        batch = rows.Batch(STAMPS, ["object_id", "candid"], ids, kept, [], plans, "{}", writer, "write", left)
        rows.store(connection, batch, STAGES)


def _land(landing: Path, seed: int) -> None:
    """Packets of new objects that are in no catalogue."""
    with tempfile.TemporaryDirectory() as folder:
        simulate(Path(folder) / "new", objects=N_NEW, seed=1000 + seed, workers=2)
        for path in (Path(folder) / "new" / "alerts").rglob("*.avro"):
            target = landing / "alerts" / f"{seed}-{path.parent.name}" / path.name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(path, target)


def main() -> None:
    """Fill, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--objects", type=int, default=1000)
    parser.add_argument("--catalogue", default="sqlite:.state/catalogue.sqlite")
    parser.add_argument("--folder", type=Path, default=None)
    given = parser.parse_args()
    folder = given.folder or Path(tempfile.mkdtemp())
    file = filled(folder, given.objects)
    began = time.monotonic()
    lake = in_a_lake(file, given.catalogue)
    print(f"{given.objects} objects; needle warehouse copy: {time.monotonic() - began:.1f} s\n")
    columns = {"file": measured(file, folder / "landing"), "lake": measured(lake, folder / "landing-of-the-lake")}
    print(f"{'':<34}{'file':>10}{'lake':>10}")
    for name in columns["file"]:
        print(f"{name:<34}" + "".join(f"{values[name]:>10.2f}" for values in columns.values()))


if __name__ == "__main__":
    main()
