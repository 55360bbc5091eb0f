"""What packets of Rubin's with 400 forced points each cost beside those of ZTF, and whether memory grows with their number.

usage: python benchmarks/rubin_packets.py [--packets 1000,3000,10000] [--kinds ztf,lsst] [--workers 2] [--select PRODUCTS] [--folder DIR]

A few simulated objects are copied under new ids, four packets each. Every folder is refreshed once by the command in an empty home,
up to light curves, forced photometry and stamps (``--select ""``: everything). Printed are processor time per packet and the largest
memory: of the command alone, and of all its processes together, what they share being counted once.
"""

import argparse
import copy
import ctypes
import io
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fastavro
import psutil
from orchestration import _copies, _name, models_of

from needle_assets.randomness import rng_for
from needle_assets.simulation.rubin.objects import RubinObject, draw_rubin_object
from needle_assets.simulation.rubin.packets import VERSION, packet_bytes
from needle_assets.surveys.lsst_alert_schema import packet_schema

A_OBJECT, FORCED, TEMPLATES = 4, 400, 6
PRODUCTS = ("core/light_curves", "core/upper_limits", "core/forced_photometry", "core/stamps", "core/turned_stamps")
LONG_DAYS = 300.0
BECOME_REAPER = 36  # PR_SET_CHILD_SUBREAPER of Linux: processes whose parent has ended are waited for here, and so counted
SAMPLE_SECONDS = 0.5


def main() -> None:
    """Parse the options, measure and print a line for each folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--packets", default="1000,3000,10000")
    parser.add_argument("--kinds", default="ztf,lsst", help="of ztf, lsst and both, which is half of each in one folder")
    parser.add_argument("--workers", default="2")
    parser.add_argument("--select", default=",".join(PRODUCTS))
    parser.add_argument("--folder", type=Path, help="work here and keep what is made")
    given = parser.parse_args()
    ctypes.CDLL(None).prctl(BECOME_REAPER, 1, 0, 0, 0)
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.folder or Path(temporary)
        for n_packets in map(int, given.packets.split(",")):
            for kind in given.kinds.split(","):
                landing, home = folder / f"{kind}-{n_packets}", folder / f"home-{kind}-{n_packets}"
                shutil.rmtree(home, ignore_errors=True)
                land(landing, kind, n_packets // A_OBJECT, folder / "models")
                print(
                    f"{kind:5s} {n_packets:6d} packets: {refreshed(home, landing, n_packets, given.workers, given.select)}",
                    flush=True,
                )
                if given.folder is None:
                    shutil.rmtree(home)
                    shutil.rmtree(landing)


def land(landing: Path, kind: str, n_objects: int, models: Path) -> None:
    """Packets of so many objects, of one survey or half of each; no catalogue names them."""
    n_of_rubin = {"ztf": 0, "lsst": n_objects, "both": n_objects // 2}[kind]
    alerts = landing / "alerts"
    alerts.mkdir(parents=True, exist_ok=True)
    (landing / "bts.csv").write_text("ZTFID,IAUID,RA,Dec,peakt,peakfilt,peakmag,peakabs,duration,rise,fade,type,redshift,b,A_V\n")
    _land_ztf(alerts, n_objects - n_of_rubin, models)
    schema, records = fastavro.parse_schema(packet_schema(VERSION)), [list(_records(found)) for found in _templates()]
    for number in range(n_of_rubin):
        for record in (_renamed(told, number) for told in records[number % len(records)]):
            out = io.BytesIO()
            fastavro.writer(out, schema, [record])
            _put(alerts / f"lsst{number // 100:04d}" / f"{record['diaSourceId']}.avro", out.getvalue())


def _land_ztf(alerts: Path, n_objects: int, models: Path) -> None:
    made = models_of(models, A_OBJECT) if n_objects else []
    for number in range(n_objects):
        schema, packets, _, _ = made[number % len(made)]
        for k, data in enumerate(_copies(schema, packets, _name(number), number)):
            _put(alerts / f"ztf{number // 100:04d}" / f"{number}_{k}.avro", data)


def _put(path: Path, data: bytes) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)


def _templates() -> list[RubinObject]:
    drawn = (draw_rubin_object(11, index, {"SN": 1.0}, is_twin=False) for index in range(10_000))
    usable = (found for found in drawn if found is not None and len(found.packets) >= A_OBJECT)
    return [next(usable) for _ in range(TEMPLATES)]


def _records(found: RubinObject) -> Iterator[dict[str, Any]]:
    """Packets of an object, each of which tells the same 400 forced fluxes of the time before them."""
    for exposure in found.packets[-A_OBJECT:]:
        (record,) = fastavro.reader(io.BytesIO(packet_bytes(found, int(exposure), rng_for(1, "packet", int(exposure)))))
        first = min(source["midpointMjdTai"] for source in [record["diaSource"], *(record["prvDiaSources"] or ())])
        told = record["prvDiaForcedSources"]
        yield record | {"prvDiaForcedSources": [_forced(told[k % len(told)], k, first) for k in range(FORCED)]}


def _forced(told: dict[str, Any], k: int, first: float) -> dict[str, Any]:
    mjd = first - LONG_DAYS * (k + 1) / FORCED
    return {**told, "diaForcedSourceId": k + 1, "visit": k + 1, "midpointMjdTai": mjd, "timeProcessedMjdTai": mjd + 1.0}


def _renamed(record: dict[str, Any], number: int) -> dict[str, Any]:
    """The packet as one of another object, 0.01 degrees on."""
    made = {**record, "diaSource": {**record["diaSource"]}, "diaObject": copy.copy(record["diaObject"])}
    moved = [made["diaSource"], made["diaObject"], *(dict(entry) for entry in record["prvDiaSources"] or ())]
    made["prvDiaSources"] = moved[2:] or None
    made["prvDiaForcedSources"] = [
        entry | {"ra": (entry["ra"] + 0.01 * number) % 360.0} for entry in record["prvDiaForcedSources"]
    ]
    for entry in moved:
        entry["ra"] = (entry["ra"] + 0.01 * number) % 360.0
        entry["diaObjectId"] += 1_000_000 * (number + 1)
        if "diaSourceId" in entry:
            entry["diaSourceId"] += 1_000_000 * (number + 1)
    made["diaSourceId"] = made["diaSource"]["diaSourceId"]
    return made


def refreshed(home: Path, landing: Path, n_packets: int, workers: str, select: str) -> str:
    """One refresh in a process of its own, and what it cost."""
    command = [sys.executable, "-m", "needle_assets.cli", "refresh", "--landing", str(landing), "--workers", workers, "--json"]
    command += ["--select", select] if select else []
    before, began = _cpu_of_children(), time.monotonic()
    process = subprocess.Popen(command, env={**os.environ, "NEEDLE_HOME": str(home)}, stdout=subprocess.PIPE)
    peaks = [0.0, 0.0]
    watching = threading.Thread(target=_watch, args=(psutil.Process(process.pid), peaks), daemon=True)
    watching.start()
    said, _ = process.communicate()
    watching.join()
    while psutil.Process().children():
        os.wait()
    cpu, wall = _cpu_of_children() - before, time.monotonic() - began
    told = json.loads(said)
    slowest = sorted(told["assets"].items(), key=lambda item: -item[1]["seconds"])[:6]
    stages = ", ".join(f"{name} {product['seconds']:.0f} s" for name, product in slowest)
    return (
        f"{1000 * cpu / n_packets:.1f} ms of processor time a packet ({cpu:.0f} s, wall {wall:.0f} s), at most {peaks[0]:.0f} MB in the "
        f"command, {peaks[1]:.0f} MB in all; {told['objects']} objects; {stages}"
    )


def _watch(process: psutil.Process, peaks: list[float]) -> None:
    """Keep the largest memory of the command and of all its processes together [MB] until it ends."""
    while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
        try:
            own = process.memory_info().rss / 1e6
            shares = [one.memory_full_info().pss / 1e6 for one in (process, *process.children(recursive=True))]
        except psutil.Error:
            continue
        peaks[:] = max(peaks[0], own), max(peaks[1], sum(shares))
        time.sleep(SAMPLE_SECONDS)


def _cpu_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
