"""
What storing stamps costs whoever drives a refresh: in one file, in a lake, and in a lake whose files the workers write.

    python benchmarks/lake.py FOLDER --rows 256 --batches 16

Prints processor time of the driver for each stored stamp, without computing it, in chunks as a refresh makes them. FOLDER is made.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa

from needle_assets.home import Home
from needle_assets.pipeline.run_stage import CHUNKS_OF_A_LAKE, _depot
from needle_assets.pipeline.session import Session
from needle_assets.stages import STAGES
from needle_assets.warehouse import ledger, rows, schema
from needle_assets.warehouse.connection import kept_open, writing
from needle_assets.warehouse.lake import deposits

STAMPS = next(stage for stage in STAGES if stage.table == "core.stamps")


def stamps(arrow: pa.Schema, first: int, count: int, rng: np.random.Generator) -> pa.Table:
    """Rows of core.stamps of ``count`` objects: noise on a sky, as incompressible as real pixels."""
    given = [
        {"object_id": f"ZTF18{n:07d}", "candid": n, "band": "g", "mjd": 59000.0, "target_x_px": 29.5, "target_y_px": 29.5}
        | {name: rng.normal(200.0, 9.0, 3600).astype(np.float32) for name in ("science", "reference")}
        for n in range(first, first + count)
    ]
    return rows.to_arrow(given, arrow)


def seconds_of(home: Home, *, n_rows: int, n_batches: int, is_left: bool) -> float:
    """Processor seconds of the driver for a stored stamp; what a worker does is not counted."""
    rng, spent, session = np.random.default_rng(1), 0.0, Session(home, home.settings())
    with writing(home.working) as connection:
        schema.apply(connection)
        arrow = rows.arrow_schema(connection, STAMPS.table)
    depot = _depot(session, STAMPS)
    with kept_open(home.working):
        for number in range(n_batches):
            table = stamps(arrow, number * n_rows, n_rows, rng)
            left = (deposits.leave(depot, table),) if is_left and depot is not None else ()
            given = table.select(["object_id", "candid"]) if left else table
            ids = table["object_id"].to_pylist()
            plans = {name: ledger.Plan("fingerprint", "") for name in ids}
            batch = rows.Batch(
                STAMPS, ["object_id", "candid"], ids, given, [], plans, "{}", rows.Writer("r", "r", None), str(number), left
            )
            began = time.process_time()
            with writing(home.working) as connection:
                rows.store(connection, batch, STAGES)
            spent += time.process_time() - began
    return spent / (n_rows * n_batches)


def main() -> None:
    """Measure the three ways in one run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--rows", type=int, default=256)
    parser.add_argument("--batches", type=int, default=16)
    parser.add_argument(
        "--catalogue", default="sqlite:catalogue-{}.sqlite", help="{} is put in for the number of the measurement."
    )
    given = parser.parse_args()
    folder = given.folder or Path(tempfile.mkdtemp())
    found = {}
    ways = (("file", False, False), ("lake", True, False), ("lake, files of workers", True, True))
    for number, (name, is_lake, is_left) in enumerate(ways):
        home = Home(folder / name.replace(", ", "-").replace(" ", "-"))
        home.path.mkdir(parents=True)
        if is_lake:
            home.settings_file.write_text(
                f'[warehouse]\ncatalogue = "{given.catalogue.format(number)}"\ndata = "rows"\n', encoding="utf-8"
            )
        times = CHUNKS_OF_A_LAKE if is_lake else 1
        found[name] = seconds_of(home.prepare(), n_rows=times * given.rows, n_batches=given.batches // times, is_left=is_left)
        print(f"{name:<24} {1000 * found[name]:.3f} ms of the driver's processor for each stamp")
    print(f"file over lake with files of workers: {found['file'] / found['lake, files of workers']:.1f}")


if __name__ == "__main__":
    main()
