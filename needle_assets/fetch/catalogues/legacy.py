"""Legacy Surveys DR10: hosts with photometric redshifts, where Pan-STARRS and Sherlock say nothing; by NOIRLab's TAP, without an account.

Documented request: ``GET /sync?REQUEST=doQuery&LANG=ADQL&FORMAT=csv&QUERY=..`` on the tables ``ls_dr10.tractor`` (sources; ``type`` PSF is
a star) and ``ls_dr10.photo_z`` (photometric redshift, its error, and a spectroscopic one where there is any).
"""

import csv
import io
import math
from collections.abc import Collection, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from needle_assets.fetch.around import AnswerError, Around, DamagedError, FetchError
from needle_assets.fetch.catalogues.packet_places import update_packet_places
from needle_assets.fetch.run import FetchSummary, Run, running
from needle_assets.fetch.service import Service
from needle_assets.fetch.snapshots import MARK, merge_hosts, read_host_rows
from needle_assets.images.stamps import sky_offset_arcsec
from needle_assets.landing.values import shown
from needle_assets.samples.hosts import LEGACY, NO_HOST, NOT_COVERED, packet_host
from needle_assets.settings import HostSettings, Settings
from needle_assets.surveys.known import id_examples, is_object_id
from needle_assets.surveys.panstarrs import HOST_BANDS

BANDS = tuple(HOST_BANDS)[:4]  # the Legacy Surveys have no y
COLUMNS = ("ls_id", "ra", "dec", "type", *(f"mag_{band}" for band in BANDS), "z_phot_median", "z_phot_std", "z_spec")
# Within this there are forty sources wherever the survey looked: where there is none, it did not look.
COVERAGE_RADIUS_ARCSEC = 60.0
MERGE_EVERY = 50

_NO_GALAXIES = ("PSF", "DUP")
_QUERY = (
    "SELECT {columns} FROM ls_dr10.tractor AS t LEFT OUTER JOIN ls_dr10.photo_z AS p ON t.ls_id = p.ls_id "
    "WHERE 't' = Q3C_RADIAL_QUERY(t.ra, t.dec, {ra:.7f}, {dec:.7f}, {radius:.7f})"
)


def fetch_legacy(
    landing: Path, *, settings: Settings, ids: Collection[str] | None = None, around: Around | None = None
) -> FetchSummary:
    """
    Hosts of Rubin's objects whose packets landed, or of ``ids``, that have none in ``hosts.csv``.

    The host is the likeliest galaxy, by the rule of ``core.hosts`` for the sources of a packet. An object without a likely one and an
    object where the survey never looked are told apart: by rows of ``hosts.csv`` without a position, and in the notes of the summary.

    Raises
    ------
    FetchError
        If an id is none, or no position of it is known here.
    """
    around = around or Around()
    manners = settings.fetch
    with running("legacy", landing, settings, around) as run, Service(LEGACY, manners.legacy, manners, around) as api:
        places = places_of(run, ids)
        in_force = read_host_rows(run.folder)
        source = _Legacy(run, api, places)
        run.wanted = tuple(object_id for object_id in sorted(places) if ids or source.is_due(object_id, in_force.get(object_id)))
        try:
            run.each(run.wanted, source.visit, "objects")
        finally:
            source.merge()
    return run.summary(api)


def likeliest_host(
    rows: Sequence[Mapping[str, str]], ra_deg: float, dec_deg: float, settings: HostSettings
) -> dict[str, Any] | None:
    """
    The likeliest host among sources of the catalogue, as a row of ``hosts.csv`` without object; None if none is likely.

    Parameters
    ----------
    rows : sequence of mappings
        ``COLUMNS`` as text; what is no number is nothing.
    ra_deg, dec_deg : float
        Position of the transient [deg].
    settings : HostSettings
        Its ``largest_p_chance``.
    """
    sources = [found for row in rows if (found := _source(row, ra_deg, dec_deg))]
    best = packet_host(sources, largest_p_chance=settings.largest_p_chance)
    if best is None:
        return None
    place = {"host_ra": best["ra"], "host_dec": best["dec"], "separation_arcsec": round(best["separation_arcsec"], 3)}
    mags = {f"{band}Ap": best[f"{band}_mag"] for band in BANDS}
    return {**place, **mags, "mw_corrected": False, "source": f"{LEGACY}: {best['ls_id']}{_redshifts(best)}{MARK}"}


def _source(row: Mapping[str, str], ra_deg: float, dec_deg: float) -> dict[str, Any] | None:
    ra, dec = _number(row["ra"], 0, 360), _number(row["dec"], -90, 90)
    if ra is None or dec is None or not row["ls_id"].isdecimal():
        return None
    return {
        "ls_id": row["ls_id"],
        "ra": ra,
        "dec": dec,
        "separation_arcsec": math.hypot(*sky_offset_arcsec(ra_deg, dec_deg, ra, dec)),
        "star_score": float(row["type"].strip().upper() in _NO_GALAXIES),
        **{f"{band}_mag": _number(row[f"mag_{band}"], 1, 40) for band in BANDS},
        **{name: _number(row[name], 0, 10) for name in ("z_phot_median", "z_phot_std", "z_spec")},
    }


def _redshifts(source: Mapping[str, Any]) -> str:
    """What the catalogue says of the host's redshift, as words that a query can find."""
    phot, err, spec = (source[name] for name in ("z_phot_median", "z_phot_std", "z_spec"))
    said = [] if phot is None else [f"photometric redshift {phot:.4f}" + ("" if err is None else f" +- {err:.4f}")]
    said += [] if spec is None else [f"spectroscopic redshift {spec:.5f}"]
    return "".join(f", {words}" for words in said)


def _number(text: str, low: float, high: float) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if low <= value <= high else None


def places_of(run: Run, ids: Collection[str] | None) -> dict[str, tuple[float, float]]:
    """Where Rubin's objects are whose packets landed, or those of ``ids`` [deg]. Raises FetchError if an id is none, or without place."""
    places = update_packet_places(run.folder.path, run.state.setdefault("places", {}))
    if ids is None:
        return places
    if strangers := [object_id for object_id in ids if not is_object_id(object_id)]:
        raise FetchError(f"the object id is {shown(strangers[0])}, an id like {id_examples()} is needed.")
    catalogue = {row["object_id"]: (row["ra_deg"], row["dec_deg"]) for row in run.folder.catalogue() if row["ra_deg"] is not None}
    known = catalogue | places
    if unknown := sorted(set(ids) - set(known)):
        raise FetchError(
            f"where {unknown[0]} is stands neither in the catalogue nor in a landed packet; fetch one of them first."
        )
    return {object_id: known[object_id] for object_id in ids}


class _Legacy:
    def __init__(self, run: Run, api: Service, places: Mapping[str, tuple[float, float]]) -> None:
        self._run, self._api, self._places = run, api, places
        self._in_force = read_host_rows(run.folder)
        self._rows: list[dict[str, Any]] = []
        self._outcomes: dict[str, str] = {}
        self._told = {NO_HOST: 0, NOT_COVERED: 0}

    def is_due(self, object_id: str, in_force: Mapping[str, str] | None) -> bool:
        """Whether it has no host, and was not asked for in vain lately."""
        if in_force is not None and in_force["host_ra"]:
            return False
        known = self._run.state["objects"].get(object_id, {})
        pause_seconds = 86400 * self._run.settings.fetch.ask_old_again_days
        return "asked" not in known or bool(known.get("again")) or self._run.around.clock() - known["asked"] >= pause_seconds

    def visit(self, object_id: str) -> None:
        """Ask for one object; its row waits to be merged with others."""
        self._run.attempt(object_id, partial(self._object, object_id), of=(object_id,))
        if len(self._outcomes) >= MERGE_EVERY:
            self.merge()

    def merge(self) -> None:
        """Write the rows that wait, and only then note that they were asked for."""
        self._run.hosts += merge_hosts(self._run.folder, self._rows) if self._rows else 0
        for object_id, outcome in self._outcomes.items():
            self._run.finish(object_id, outcome=outcome)
        self._rows, self._outcomes = [], {}
        self._run.notes[:] = [f"{count} objects: {outcome}" for outcome, count in self._told.items() if count]

    def _object(self, object_id: str) -> None:
        ra_deg, dec_deg = self._places[object_id]
        asked = _QUERY.format(columns=_columns(), ra=ra_deg, dec=dec_deg, radius=COVERAGE_RADIUS_ARCSEC / 3600)
        query = {"REQUEST": "doQuery", "LANG": "ADQL", "FORMAT": "csv", "QUERY": asked}
        content, rows = self._api.ask("/sync", _read_csv, query=query)
        self._run.folder.write(self._run.folder.answers / "sources" / f"{object_id}.csv", content)
        host = likeliest_host(rows, ra_deg, dec_deg, self._run.settings.hosts)
        in_force = self._in_force.get(object_id)
        outcome = "host" if host else NO_HOST if rows else NOT_COVERED
        if host and (in_force is None or in_force["source"].startswith(LEGACY)):
            self._rows.append({"ztf_id": object_id, **host})
        elif not host and (in_force is None or not in_force["host_ra"]):
            self._rows.append({"ztf_id": object_id, "mw_corrected": False, "source": f"{LEGACY}: {outcome}{MARK}"})
        if not host:
            self._told[outcome] += 1
        self._outcomes[object_id] = outcome
        self._run.done.add(object_id)


def _columns() -> str:
    return ", ".join(f"{'p' if name.startswith('z_') else 't'}.{name}" for name in COLUMNS)


def _read_csv(content: bytes) -> tuple[bytes, list[dict[str, str]]]:
    text = content.decode("utf-8", errors="replace")
    lines = list(csv.reader(io.StringIO(text)))
    header = [name.strip().lower() for name in lines[0]] if lines else []
    if tuple(header) != COLUMNS:
        raise AnswerError(f"the answer has other columns than asked for; it begins with {shown(text[:80])}.")
    rows = [line for line in lines[1:] if line]
    if any(len(row) != len(COLUMNS) for row in rows) or not text.endswith("\n"):
        raise DamagedError(f"the answer of {len(content)} bytes is cut off.")
    return content, [dict(zip(COLUMNS, row, strict=True)) for row in rows]
