"""What the platform costs beside the science: orchestration, an idle refresh, twenty new objects among many, memory.

usage: python benchmarks/orchestration.py [--objects 8000] [--packets 4] [--folder DIR]

The landing folder is made of a few simulated objects, copied under new ids, so that thousands of objects are there in a minute;
filling the home takes a quarter of an hour. Everything is measured in one run; compare ratios, not seconds.
"""

import argparse
import io
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fastavro
import polars as pl
from astropy.coordinates import Angle

from needle_assets.cli.verbs import RefreshOptions, run_refresh
from needle_assets.home import Home
from needle_assets.pipeline import run_stage
from needle_assets.simulation import simulate

N_MODELS = 24
N_NEW = 20
PER_NIGHT = 1000


def main() -> None:
    """Parse the options and measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--objects", type=int, default=8000)
    parser.add_argument("--packets", type=int, default=4)
    parser.add_argument("--folder", type=Path, help="work here and keep what is made")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        measure(options.folder or Path(temporary), options.objects, options.packets)


def measure(folder: Path, n_objects: int, n_packets: int) -> None:
    """Print every figure."""
    many, few = folder / "many", folder / "few"
    models = models_of(folder / "models", n_packets)
    fill(many, models, range(n_objects), n_packets)
    first, peak_mib = _filled_in_a_process(folder / "home", many)
    print(f"first refresh: {n_objects} objects of {n_packets} packets in {first['seconds']:.0f} s")
    print(f"peak memory of that process: {peak_mib:.0f} MiB (limit 1536)")
    idle = min(_timed_refresh(folder / "home", many)[0] for _ in range(3))
    print(f"refresh with nothing to do, process included: {idle:.2f} s (limit 3.00)")
    fill(few, models, range(n_objects, n_objects + N_NEW), n_packets)
    alone, _ = _timed_refresh(folder / "alone", few)
    fill(many, models, range(n_objects, n_objects + N_NEW), n_packets)
    among, result = _timed_refresh(folder / "home", many)
    assert result["new_objects"] == N_NEW, result
    limit = 1.5 * alone + 3
    print(
        f"{N_NEW} new objects among {n_objects}: {among:.1f} s, in an empty home {alone:.1f} s (limit {limit:.1f}), process included"
    )
    _orchestration(folder / "home")


def _orchestration(home: Path) -> None:
    """Everything that is not inside the functions of the stages, of a refresh that computes all of the light products anew."""
    inside = {"seconds": 0.0}
    original = run_stage.run_task

    def timed(task: run_stage.Task) -> run_stage.Computed:
        started = time.perf_counter()
        computed = original(task)
        inside["seconds"] += time.perf_counter() - started
        return computed

    products = ("core.detections", "core.upper_limits", "core.hosts", "core.light_curves", "core.epochs")
    run_stage.run_task = timed
    try:
        result = run_refresh(Home(home), RefreshOptions(recompute=products, workers=1))
    finally:
        run_stage.run_task = original
    total = sum(done["seconds"] for done in result["assets"].values())
    pairs = sum(done["computed"] for done in result["assets"].values())
    each = 1000 * (total - inside["seconds"]) / pairs
    print(f"orchestration: {each:.2f} ms per asset and object over {pairs} of them (limit 2.00)")


def _filled_in_a_process(home: Path, landing: Path) -> tuple[dict[str, Any], float]:
    _, result = _timed_refresh(home, landing)
    return result, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024


def _timed_refresh(home: Path, landing: Path) -> tuple[float, dict[str, Any]]:
    """Seconds of the command, its process included, and what it says of itself."""
    started = time.perf_counter()
    answer = _needle(home, "refresh", "--landing", str(landing), "--json")
    return time.perf_counter() - started, json.loads(answer.splitlines()[-1])


def _needle(home: Path, *arguments: str) -> str:
    command = [sys.executable, "-m", "needle_assets.cli", *arguments]
    environment = {**os.environ, "NEEDLE_HOME": str(home)}
    return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout


def models_of(folder: Path, n_packets: int) -> list[tuple[dict, list[dict], pl.DataFrame, dict]]:
    """Some simulated objects: schema, packets, photometry, catalogue row."""
    simulate(folder, objects=N_MODELS, seed=7)
    packets: dict[str, list[dict]] = {}
    schema: dict = {}
    for path in sorted((folder / "alerts").rglob("*.avro")):
        with path.open("rb") as handle:
            reader = fastavro.reader(handle)
            schema = schema or reader.writer_schema
            for record in reader:
                packets.setdefault(record["objectId"], []).append(record)
    photometry = pl.read_parquet(folder / "photometry.parquet")
    catalogue = {row["ZTFID"]: row for row in pl.read_csv(folder / "bts.csv", infer_schema=False).to_dicts()}
    chosen = [name for name, found in packets.items() if len(found) >= n_packets and name in catalogue]
    return [(schema, packets[n][:n_packets], photometry.filter(pl.col("ztf_id") == n), catalogue[n]) for n in chosen]


def fill(landing: Path, models: list, numbers: range, n_packets: int) -> None:
    """
    Add objects ``numbers`` to a landing folder, or packets to those that are there: copies of the models under new ids and names.

    Each is moved along in right ascension: at the place of its model it would be one object with it.
    """
    (landing / "alerts").mkdir(parents=True, exist_ok=True)
    photometry, rows = [], []
    for number in numbers:
        schema, packets, light_curve, row = models[number % len(models)]
        name = _name(number)
        for k, data in enumerate(_copies(schema, packets[:n_packets], name, number)):
            folder = landing / "alerts" / f"{number // PER_NIGHT:05d}"
            folder.mkdir(exist_ok=True)
            path = folder / f"{number}_{k}.avro"
            if not path.exists():
                path.write_bytes(data)
        photometry.append(light_curve.with_columns(ztf_id=pl.lit(name)))
        place = {"RA": f"{_moved(Angle(row['RA'], 'hourangle').deg, number):.7f}"}
        rows.append({**row, **place, "ZTFID": name, "IAUID": f"SN2099{name.removeprefix('ZTF99')}"})
    catalogue = landing / "bts.csv"
    before = pl.read_csv(catalogue, infer_schema=False) if catalogue.exists() else None
    if before is not None and before["ZTFID"].is_in([row["ZTFID"] for row in rows]).any():
        return
    _append(landing / "photometry.parquet", pl.concat(photometry))
    frame = pl.DataFrame(rows)
    (frame if before is None else pl.concat([before, frame])).write_csv(catalogue)


def _append(path: Path, frame: pl.DataFrame) -> None:
    (pl.concat([pl.read_parquet(path), frame]) if path.exists() else frame).write_parquet(path)


def _copies(schema: dict, packets: list[dict], name: str, number: int) -> Iterator[bytes]:
    for k, packet in enumerate(packets):
        candid = 3_000_000_000_000_000_000 + number * 100 + k
        before = [_placed(earlier, number) for earlier in packet["prv_candidates"] or []]
        candidate = {**_placed(packet["candidate"], number), "candid": candid}
        copy = {**packet, "objectId": name, "candid": candid, "candidate": candidate, "prv_candidates": before or None}
        buffer = io.BytesIO()
        fastavro.writer(buffer, schema, [copy], sync_marker=random.Random(candid).randbytes(16))
        yield buffer.getvalue()


def _placed(record: dict, number: int) -> dict:
    return record if record.get("ra") is None else {**record, "ra": _moved(record["ra"], number)}


def _moved(ra: float, number: int) -> float:
    return (ra + 0.0137 * (1 + number)) % 360.0


def _name(number: int) -> str:
    letters = ""
    for _ in range(7):
        number, rest = divmod(number, 26)
        letters = chr(ord("a") + rest) + letters
    return f"ZTF99{letters}"


if __name__ == "__main__":
    main()
