"""Candidates as JSON lines, and as drafts that a person completes and sends: the week's AstroNote, a request for classification."""

import datetime as dt
import json
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from needle_assets.exports.data_card import page
from needle_assets.exports.folder import ExportError
from needle_assets.fetch.sending.messages import UNCLEAR, classification, plain, record
from needle_assets.settings import Settings
from needle_assets.surveys.known import survey_of_id
from needle_assets.surveys.survey import FEATURE_COLUMNS
from needle_assets.warehouse.results import sent

FORMATS = ("jsonl", "astronote", "tns")
MAX_ABSTRACT = 1000  # characters that the Transient Name Server takes of an AstroNote's abstract
MJD_ZERO = dt.datetime(1858, 11, 17, tzinfo=dt.UTC)


def export_candidates(
    published: Path, settings: Settings, form: str, *, days: float = 7.0, ids: Collection[str] | None = None
) -> str:
    """
    The published candidates as text; nothing is sent.

    Parameters
    ----------
    published : Path
        The published file.
    settings : Settings
        Its section ``send`` says from which probability on an object is called one of a class.
    form : str
        ``jsonl``: all of them, a line each. ``astronote``: the draft of an AstroNote on those called SLSN-I or TDE whose score first
        was above 0.5 in the last days. ``tns``: of the same a request for spectroscopic classification each.
    days : float
        How many, counted back from the newest detection of any candidate [d].
    ids : collection of str, optional
        These candidates, whatever their scores and dates.

    Raises
    ------
    ExportError
        For a format that is none, and an id that is no candidate.
    """
    if form not in FORMATS:
        raise ExportError(f"format {form!r} is unknown; choose one of {', '.join(FORMATS)}.")
    everything = sent.candidates(published)
    _require(ids, everything)
    if form == "jsonl":
        chosen = [row for row in everything if ids is None or row["object_id"] in ids]
        return "".join(json.dumps(record(row, None, settings.send, form)) + "\n" for row in chosen)
    until = max((row["as_of_mjd"] for row in everything), default=0.0)
    listed = [_shown(row, settings) for row in _once(_chosen(everything, settings, until - days, ids))]
    if form == "tns":
        return str(page("tns_request.txt.jinja").render(candidates=listed, threshold=settings.send.threshold))
    return _astronote(listed, settings, until, days)


def _require(ids: Collection[str] | None, candidates: Sequence[Mapping[str, Any]]) -> None:
    missing = sorted({*(ids or ())} - {row["object_id"] for row in candidates})
    if missing:
        raise ExportError(
            f"{', '.join(missing[:5])}: no candidate in the published warehouse; `needle sql` shows results.candidates."
        )


def _chosen(
    candidates: Sequence[Mapping[str, Any]], settings: Settings, since_mjd: float, ids: Collection[str] | None
) -> list[Mapping[str, Any]]:
    if ids is not None:
        return [row for row in candidates if row["object_id"] in ids]
    called = [row for row in candidates if classification(row, settings.send.threshold) not in ("SN", UNCLEAR)]
    return [row for row in called if (row["first_above_half_mjd"] or row["as_of_mjd"]) >= since_mjd]


def _once(candidates: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Without the ids that another survey gave to an object that is listed already."""
    listed: dict[str, Mapping[str, Any]] = {}
    for row in candidates:
        if not listed.keys() & set(row["other_ids"]):
            listed[row["object_id"]] = row
    return list(listed.values())


def _astronote(listed: Sequence[Mapping[str, Any]], settings: Settings, until_mjd: float, days: float) -> str:
    counts = {label: sum(row["called"] == label for row in listed) for label in ("SLSN-I", "TDE")}
    abstract = (
        f"We report {counts['SLSN-I']} candidate superluminous supernovae (SLSN-I) and {counts['TDE']} candidate tidal disruption "
        "events (TDE) found by the photometric classifier NEEDLE, and encourage spectroscopic follow-up. "
        "They are not classified spectroscopically."
    )
    assert len(abstract) <= MAX_ABSTRACT
    return str(
        page("astronote.txt.jinja").render(
            candidates=listed,
            abstract=abstract,
            threshold=settings.send.threshold,
            first_day=day(until_mjd - days),
            last_day=day(until_mjd),
        )
    )


def _shown(row: Mapping[str, Any], settings: Settings) -> dict[str, Any]:
    """A candidate in the words of a note; what is not known is a question mark, and nothing in it is markup."""
    survey = survey_of_id(row["object_id"])
    assert survey is not None, "only objects of a survey are scored"
    brightest = zip(survey.feature_bands, (row[f"peak_mag_{column}"] for column in FEATURE_COLUMNS), strict=True)
    peaks = [f"{band} = {mag:.2f}" for band, mag in brightest if mag is not None]
    has_place = row["ra_deg"] is not None and row["dec_deg"] is not None
    host = None if row["separation_arcsec"] is None else f"{row['separation_arcsec']:.1f} arcsec from its centre"
    host_mag = None if row["host_r_mag"] is None else f"{survey.host_bands[1]} = {row['host_r_mag']:.1f}"
    return {
        **row,
        "called": classification(row, settings.send.threshold),
        "name": plain(row["iau_name"] or row["object_id"], 40),
        "names": ", ".join(plain(name, 40) for name in (row["object_id"], *row["other_ids"])),
        "ra": sexagesimal(row["ra_deg"] / 15.0, 2, 24) if has_place else "?",
        "dec": ("-" if row["dec_deg"] < 0 else "+") + sexagesimal(abs(row["dec_deg"]), 1) if has_place else "?",
        "z": "?" if row["redshift"] is None else f"{row['redshift']:.4f}",
        "peak": ", ".join(peaks) or "?",
        "host": ", ".join(part for part in (host, host_mag) if part) or "none found",
        "first_day": "?" if row["first_mjd"] is None else day(row["first_mjd"]),
        "last_day": day(row["as_of_mjd"]),
        "reasons": [plain(reason, 200) for reason in row["reasons"]],
        "warnings": [plain(warning, 200) for warning in row["warnings"]],
    }


def sexagesimal(value: float, digits: int, full: int = 360) -> str:
    """A value of 0 or more as 01:02:03.45, rounded to so many digits and never 60; ``full`` turns of it are none."""
    units = 10**digits
    number = round(value * 3600 * units) % (full * 3600 * units)
    minutes, rest = divmod(number, 60 * units)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{rest // units:02d}.{rest % units:0{digits}d}"


def day(mjd: float) -> str:
    """The day of a moment [UTC]."""
    return f"{MJD_ZERO + dt.timedelta(days=mjd):%Y-%m-%d}"
