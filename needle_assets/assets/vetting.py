"""Glue of the vetting: what packets and light curve of one object say against it."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import polars as pl

from needle_assets.assets.output import Product
from needle_assets.samples.vetting import REASONS, Evidence, reasons
from needle_assets.settings import Settings

_PS1_MAGNITUDES = ("srmag1", "simag1", "sgmag1", "szmag1")


def vetting(frames: Mapping[str, pl.DataFrame], settings: Settings) -> Product:
    """What speaks against an object with a cleaned light curve, as of its newest detection; each reason a column, none drops it."""
    points = frames["core.light_curves"]
    if points.is_empty():
        return Product()
    evidence = Evidence(**_of_light_curve(points, frames["core.detections"]), **_of_packets(frames["raw.alerts"].sort("jd")))
    found = reasons(evidence, settings.vetting)
    told = {name: name in found for name in REASONS} | {"reasons": list(found.values())}
    return Product([{"object_id": points["object_id"][0], **told, **asdict(evidence)}])


def _of_light_curve(points: pl.DataFrame, detections: pl.DataFrame) -> dict[str, Any]:
    mjd, newest = points["mjd"].to_numpy(), float(points["last_mjd"].to_numpy().max())
    return {
        "n_epochs": len(points),
        "age_days": newest - float(mjd.min()),
        "days_since_peak": newest - float(mjd[points["mag"].to_numpy().argmin()]),
        "negative_fraction": 1.0 - float(detections["is_positive"].to_numpy().mean()) if len(detections) else None,
    }


def _of_packets(packets: pl.DataFrame) -> dict[str, Any]:
    """What the newest packet says of what lies around, and the best or nearest that any said; nothing without packets."""
    if packets.is_empty():
        return {}
    newest = packets.row(-1, named=True)
    start = min((jd for jd in packets["jdstarthist"] if jd is not None), default=None)
    return {
        "source_star_score": newest["sgscore1"],
        "source_separation_arcsec": newest["distpsnr1"],
        "source_mag": next((newest[name] for name in _PS1_MAGNITUDES if newest[name] is not None), None),
        "bright_star_separation_arcsec": newest["neargaiabright"],
        "bright_star_mag": newest["maggaiabright"],
        "history_days": None if start is None else newest["jd"] - start,
        "n_earlier_detections": packets["ndethist"].max(),
        "real_bogus": packets["rb"].max(),
        "deep_real_bogus": packets["drb"].max(),
        "solar_system_arcsec": packets["ssdistnr"].min(),
    }
