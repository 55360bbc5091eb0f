"""Detections, limits and hosts: the packets' own names end here."""

from collections.abc import Iterator, Mapping
from typing import Any

import polars as pl

from needle_assets.assets.light_curves import a_v_of
from needle_assets.assets.objects import survey_of
from needle_assets.assets.output import Product
from needle_assets.errors import Rejection
from needle_assets.landing.ztf_packets import is_positive
from needle_assets.light_curves.detections import merge_detections, merge_limits
from needle_assets.samples.hosts import (
    dereddened,
    landed_separation_arcsec,
    origin,
    packet_host,
    photometric_redshift,
    position_of_ps1_object,
    search_outcome,
    separation_on_sky_arcsec,
)
from needle_assets.samples.positions import mean_position_deg
from needle_assets.settings import Settings
from needle_assets.surveys.clock import MJD_OFFSET
from needle_assets.surveys.panstarrs import HOST_BANDS
from needle_assets.surveys.survey import Survey


def detections(frames: Mapping[str, pl.DataFrame], settings: Settings) -> Product:
    """
    Every detection of an object from packets, their history and landed photometry, each once; negative ones are marked.

    What is fainter than a few times its error, as in forced photometry, is refused.
    """
    entries = [*_packet_entries(frames), *_photometry_entries(frames["raw.photometry"])]
    survey = survey_of(frames)
    rows, rejections = merge_detections(
        entries,
        min_signal_to_noise=settings.detections.min_signal_to_noise,
        same_exposure_days=survey.same_exposure_days,
        are_twins_refused=survey.has_turned_stamps,
    )
    return Product([{"object_id": _object_id(frames), **row} for row in rows], rejections)


def upper_limits(frames: Mapping[str, pl.DataFrame], _settings: Settings) -> Product:
    """Exposures without a detection, told by the packets' history."""
    if frames["raw.alerts"].is_empty():
        return Product()
    survey = survey_of(frames)
    told = [
        {"mjd": entry["jd"] - MJD_OFFSET, "band": survey.band_of_number[entry["fid"]], "mag_limit": entry["diffmaglim"]}
        for entry in _history(frames["raw.alerts"])
        if entry["magpsf"] is None and entry["diffmaglim"] is not None
    ]
    detected = frames["core.detections"].iter_rows(named=True)
    rows = merge_limits(told, detected, same_exposure_days=survey.same_exposure_days)
    return Product([{"object_id": _object_id(frames), **row} for row in rows])


def hosts(frames: Mapping[str, pl.DataFrame], settings: Settings) -> Product:
    """
    The host galaxy of an object.

    A landed host counts first, unless it cannot be the object's. Else the likeliest galaxy among the Pan-STARRS sources of the
    newest packet that lists any. The row says who placed the host and who measured it, or what the search for one came to.
    Magnitudes are dereddened with the catalogue's A_V, else that of the dust maps; without one they stay as they are, and the row says so.
    """
    object_id = _object_id(frames)
    if object_id is None:
        return Product()
    landed, refused = _landed_host(frames, settings)
    host = landed or _packet_host(frames["raw.alerts"], settings)
    outcome = "host" if host is not None else _search_outcome(frames["raw.hosts"])
    none = {"association": "none", "is_dereddened": False, "search_outcome": outcome}
    row = {"object_id": object_id, "is_hosted": host is not None, **none, **(host or {})}
    a_v_mag = a_v_of(frames)
    if host is not None and not row["is_dereddened"] and a_v_mag is not None:
        mags = dereddened({band: host.get(f"{band}_mag") for band in HOST_BANDS}, a_v_mag)
        row |= {f"{band}_mag": mag for band, mag in mags.items()} | {"is_dereddened": True}
    return Product([row], refused)


def _search_outcome(landed: pl.DataFrame) -> str | None:
    return None if landed.is_empty() else search_outcome(landed["source"][0])


def _landed_host(frames: Mapping[str, pl.DataFrame], settings: Settings) -> tuple[dict[str, Any] | None, list[Rejection]]:
    if frames["raw.hosts"].is_empty():
        return None, []
    host = frames["raw.hosts"].row(0, named=True)
    if host["host_ra_deg"] is None:
        return None, []
    catalogued = frames["raw.objects"].row(0, named=True) if len(frames["raw.objects"]) else {}
    position = position_of(catalogued, frames["raw.alerts"])
    computed = position and separation_on_sky_arcsec(*position, host["host_ra_deg"], host["host_dec_deg"])
    redshift = catalogued.get("redshift")
    try:
        host["separation_arcsec"] = landed_separation_arcsec(
            host["separation_arcsec"], computed, redshift=redshift, settings=settings.hosts
        )
    except Rejection as why:
        return None, [why.also(object_id=host["object_id"], source=host["source"])]
    association, magnitudes = origin(host["source"])
    has_magnitudes = any(host[f"{band}_mag"] is not None for band in HOST_BANDS)
    said = {"association": association, "magnitudes_from": magnitudes if has_magnitudes else None}
    redshifts = dict(zip(("photometric_redshift", "photometric_redshift_err"), photometric_redshift(host["source"]), strict=True))
    is_dereddened = host.pop("mw_corrected")
    return {**host, **said, **redshifts, "is_dereddened": is_dereddened}, []


def position_of(catalogued: Mapping[str, Any], alerts: pl.DataFrame) -> tuple[float, float] | None:
    """Where the catalogue says that the object is, else where its packets are on average; None if neither says."""
    if catalogued.get("ra_deg") is not None:
        return catalogued["ra_deg"], catalogued["dec_deg"]
    return None if alerts.is_empty() else mean_position_deg(alerts["ra"].to_numpy(), alerts["dec"].to_numpy())


def _packet_host(alerts: pl.DataFrame, settings: Settings) -> dict[str, Any] | None:
    for packet in alerts.sort("jd", descending=True).iter_rows(named=True):
        sources = [_ps1_source(packet, k) for k in (1, 2, 3) if packet[f"distpsnr{k}"] is not None]
        if sources:
            best = packet_host(sources, star_score=settings.hosts.star_score, largest_p_chance=settings.hosts.largest_p_chance)
            return best and _host_row(best)
    return None


def _ps1_source(packet: Mapping[str, Any], k: int) -> dict[str, Any]:
    return {
        "ps1_id": packet[f"objectidps{k}"],
        "separation_arcsec": packet[f"distpsnr{k}"],
        "star_score": packet[f"sgscore{k}"],
        **{f"{band}_mag": packet[f"s{band}mag{k}"] for band in "griz"},
    }


def _host_row(source: Mapping[str, Any]) -> dict[str, Any]:
    position = position_of_ps1_object(source["ps1_id"]) if source["ps1_id"] else None
    return {
        "association": "packet",
        "magnitudes_from": "packet",
        "source": f"PS1 {source['ps1_id']}" if source["ps1_id"] else None,
        "host_ra_deg": position and position[0],
        "host_dec_deg": position and position[1],
        **{name: source[name] for name in ("separation_arcsec", "p_chance", "g_mag", "r_mag", "i_mag", "z_mag")},
    }


def _packet_entries(frames: Mapping[str, pl.DataFrame]) -> Iterator[dict[str, Any]]:
    alerts = frames["raw.alerts"]
    if alerts.is_empty():
        return
    survey = survey_of(frames)
    for packet in alerts.iter_rows(named=True):
        has_stamp = packet["has_science_cutout"] or packet["has_reference_cutout"]
        yield _entry(packet, "packet", survey, has_stamp=has_stamp)
    for entry in _history(alerts):
        if entry["magpsf"] is not None:
            yield _entry(entry, "history", survey, has_stamp=False)


def _entry(told: Mapping[str, Any], source: str, survey: Survey, *, has_stamp: bool) -> dict[str, Any]:
    return {
        "candid": told["candid"],
        "mjd": told["jd"] - MJD_OFFSET,
        "band": survey.band_of_number[told["fid"]],
        "mag": told["magpsf"],
        "mag_err": told["sigmapsf"],
        "is_positive": is_positive(told["isdiffpos"]),
        "is_mw_corrected": False,
        "has_stamp": has_stamp,
        "source": source,
    }


def _history(alerts: pl.DataFrame) -> Iterator[dict[str, Any]]:
    for previous in alerts["prv_candidates"]:
        yield from previous if previous is not None else ()


def _photometry_entries(photometry: pl.DataFrame) -> Iterator[dict[str, Any]]:
    for row in photometry.iter_rows(named=True):
        named = {name: row[name] for name in ("mjd", "band", "mag", "mag_err")}
        # Photometry that does not say its sign is of positive differences, as that which is published is.
        given = {"candid": None, "is_positive": row["is_positive"] is not False, "has_stamp": False}
        yield {**named, **given, "is_mw_corrected": row["mw_corrected"], "source": row["source"] or "photometry"}


def _object_id(frames: Mapping[str, pl.DataFrame]) -> str | None:
    return next((str(frame["object_id"][0]) for frame in frames.values() if "object_id" in frame.columns and len(frame)), None)
