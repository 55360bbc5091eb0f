"""Writes Rubin's packets, catalogue, hosts and truth into a landing folder, beside ZTF's or alone."""

import csv
import io
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from needle_assets.randomness import rng_for
from needle_assets.simulation import catalogues
from needle_assets.simulation.rubin.objects import RubinObject, draw_rubin_object, true_mag
from needle_assets.simulation.rubin.packets import packet_bytes
from needle_assets.surveys.lsst import LSST

FAINTEST_HOST_R_MAG = 23.5
HOST_ERROR_ARCSEC = 0.1


def write_rubin(
    folder: Path,
    *,
    objects: int,
    seed: int,
    mix: Mapping[str, float],
    is_twin: bool,
    write: Callable[[Path, bytes], None],
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """
    Write packets that are not there yet, and the tables; returns how many objects, packets and new packets there are, and ``labels``.

    With ``is_twin`` the objects are those that ZTF saw, and ``bts.csv`` stays ZTF's; else it lists Rubin's own. ``write`` puts bytes
    into a file as a whole.
    """
    counts: dict[str, Any] = {"objects": 0, "packets": 0, "new_packets": 0}
    truth, bts, hosts = [], [], []
    for index in range(objects):
        found = draw_rubin_object(seed, index, mix, is_twin=is_twin)
        if found is not None:
            counts["objects"] += 1
            counts["packets"] += len(found.packets)
            counts["new_packets"] += _write_packets(folder, found, seed, write)
            truth.append(_truth(found))
            bts.append(_bts_row(found))
            hosts += _host_rows(found, seed)
        if progress is not None:
            progress(index + 1, objects)
    write(folder / "truth" / "rubin.parquet", _parquet(truth))
    if not is_twin:
        write(folder / "bts.csv", _csv(bts, catalogues.BTS_COLUMNS))
    before = [] if not is_twin else _rows_of(folder / "hosts.csv")
    write(folder / "hosts.csv", _csv([*before, *hosts], catalogues.HOST_COLUMNS))
    return counts | {"labels": dict(Counter(row["label"] for row in truth))}


def _write_packets(folder: Path, found: RubinObject, seed: int, write: Callable[[Path, bytes], None]) -> int:
    n_new = 0
    for exposure in found.packets.tolist():
        path = folder / "alerts" / f"{found.source_id(exposure)}.avro"
        if not path.exists():
            write(path, packet_bytes(found, exposure, rng_for(seed, "rubin packet", found.index, exposure)))
            n_new += 1
    return n_new


def _truth(found: RubinObject) -> dict[str, Any]:
    """Class, place, peak and noiseless daily magnitudes from 60 d before to 150 d after the peak, Milky Way extinction included."""
    kind, days = found.transient, np.arange(-60.0, 151.0)
    return {
        "object_id": found.object_id,
        "ztf_id": found.twin and found.twin.object_id,
        **{name: getattr(kind, name) for name in ("label", "population", "redshift", "abs_mag", "peak_mag", "a_v_mag")},
        "type": kind.type_name,
        "peak_mjd": found.peak_mjd,
        "ra_deg": found.ra_deg,
        "dec_deg": found.dec_deg,
        "host_separation_arcsec": found.host.separation_arcsec if found.host else None,
        "first_mjd": found.peak_mjd - 60.0,
        **{f"mag_{band}": true_mag(kind, found.peak_mjd, found.peak_mjd + days, band).tolist() for band in LSST.bands},
    }


def _bts_row(found: RubinObject) -> dict[str, str]:
    row = dict.fromkeys(catalogues.BTS_COLUMNS, catalogues.UNKNOWN)
    return row | {
        "ZTFID": found.object_id,
        "RA": f"{found.ra_deg:.6f}",
        "Dec": f"{found.dec_deg:.6f}",
        "type": found.transient.type_name,
        "redshift": f"{found.transient.redshift:.4f}",
        "A_V": f"{found.transient.a_v_mag:.3f}",
    }


def _host_rows(found: RubinObject, seed: int) -> list[dict[str, Any]]:
    """The host as a catalogue has it: that of the twin, or one brighter than the limit of a deep survey."""
    if found.twin is not None:
        row = catalogues.host_row(found.twin, seed)
        return [] if row is None else [row | {"ztf_id": found.object_id}]
    host = found.host
    if host is None or host.mag["r"] > FAINTEST_HOST_R_MAG:
        return []
    east, north = np.array([host.east_arcsec, host.north_arcsec]) + rng_for(seed, "rubin host", found.index).normal(
        0.0, HOST_ERROR_ARCSEC, 2
    )
    return [
        {
            "ztf_id": found.object_id,
            "host_ra": f"{found.ra_deg + east / 3600.0 / np.cos(np.deg2rad(found.dec_deg)):.7f}",
            "host_dec": f"{found.dec_deg + north / 3600.0:.7f}",
            "separation_arcsec": f"{np.hypot(east, north):.3f}",
            **{f"{band}Ap": f"{mag:.3f}" for band, mag in host.mag.items()},
            "mw_corrected": "false",
            "source": catalogues.SOURCE,
        }
    ]


def _rows_of(path: Path) -> list[dict[str, str]]:
    """Rows of a table that are not Rubin's."""
    with path.open(encoding="utf-8", newline="") as file:
        return [row for row in csv.DictReader(file) if not LSST.has_id(row["ztf_id"])]


def _csv(rows: Iterable[Mapping[str, Any]], columns: tuple[str, ...]) -> bytes:
    out = io.StringIO()
    writer = csv.DictWriter(out, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue().encode()


def _parquet(rows: list[dict[str, Any]]) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pylist(rows), sink, compression="zstd")
    return bytes(sink.getvalue().to_pybytes())
