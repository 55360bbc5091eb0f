"""Small alert packets of Rubin made in memory for tests: the public schema's names, a few sources, no file."""

import copy
import io
import json
import struct
from pathlib import Path
from typing import Any

import fastavro
import numpy as np

from needle_assets.surveys.lsst_alert_schema import packet_schema
from needle_assets_tests.packets import fits

OBJECT_ID = 313893023095193658
SOURCE_ID = 170094456248729605
MIDPOINT = 61105.09
CUTOUT = fits(np.arange(900, dtype=np.float32).reshape(30, 30))


def source(number: int = 0, *, days: float = 0.0, band: str = "i", flux: float | None = 2000.0, **more: Any) -> dict[str, Any]:
    """A source ``days`` after the packet's; ``number`` tells it apart."""
    told = {
        "diaSourceId": SOURCE_ID + number, "visit": 2026030500055 + number, "detector": 95, "diaObjectId": OBJECT_ID, "x": 1.0, "y": 1.0,
        "midpointMjdTai": MIDPOINT + days, "timeProcessedMjdTai": MIDPOINT + days + 0.002, "ra": 62.5, "dec": -47.75,
        "psfFlux": flux, "psfFluxErr": 100.0, "band": band, "isNegative": False, "reliability": 0.7, "shape_flag": True,
    }  # fmt: skip
    return told | more


def forced(number: int = 0, *, days: float = 0.0, band: str = "i", flux: float = 50.0, **more: Any) -> dict[str, Any]:
    """Forced photometry ``days`` after the packet's source."""
    told = {
        "diaForcedSourceId": 7000 + number, "diaObjectId": OBJECT_ID, "ra": 62.5, "dec": -47.75, "visit": 2026030500000 + number,
        "detector": 95, "psfFlux": flux, "psfFluxErr": 90.0, "midpointMjdTai": MIDPOINT + days, "band": band,
        "timeProcessedMjdTai": MIDPOINT + days + 0.002,
    }  # fmt: skip
    return told | more


def record(**changes: Any) -> dict[str, Any]:
    """A packet with two earlier sources and two forced ones; ``changes`` replace what stands at its top."""
    made = {
        "diaSourceId": SOURCE_ID, "diaSource": source(), "prvDiaSources": [source(1, days=-3.0), source(2, days=-2.0, band="g")],
        "prvDiaForcedSources": [forced(0, days=-5.0), forced(1, days=-3.0, flux=-20.0)],
        "diaObject": {"diaObjectId": OBJECT_ID, "validityStartMjdTai": MIDPOINT, "ra": 62.5, "dec": -47.75, "nDiaSources": 3},
        "cutoutDifference": CUTOUT, "cutoutScience": CUTOUT, "cutoutTemplate": CUTOUT, "observation_reason": "ddf_edfs_b",
    }  # fmt: skip
    return copy.deepcopy(made | changes)


def container(*records: dict[str, Any], version: str = "10.0", schema: dict[str, Any] | None = None) -> bytes:
    """Records as the bytes of an Avro file."""
    out = io.BytesIO()
    fastavro.writer(out, fastavro.parse_schema(schema or packet_schema(version)), records or [record()])
    return out.getvalue()


def message(given: dict[str, Any] | None = None, number: int = 1101) -> bytes:
    """A record as it comes from Kafka."""
    out = io.BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(packet_schema(version_of(number))), given or record())
    return b"\0" + struct.pack(">I", number) + out.getvalue()


def write_schema(folder: Path, number: int = 1101) -> Path:
    """The schema of such messages, put where a landing folder has it; returns the folder."""
    major, minor = divmod(number, 100)
    path = folder / str(major) / str(minor) / f"lsst.v{major}_{minor}.alert.avsc"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(packet_schema(version_of(number))))
    return folder


def version_of(number: int) -> str:
    """1101 as 11.1."""
    return f"{number // 100}.{number % 100}"
