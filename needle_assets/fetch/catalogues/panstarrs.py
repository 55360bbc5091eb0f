"""Pan-STARRS: aperture magnitudes g to y of host galaxies by position, from the catalogue API of MAST, without an account.

Documented request: ``GET /stack.json?ra=..&dec=..&radius=..&columns=[..]&pagesize=..&page=..`` (data release 2) gives ``info``
(names of the columns) and ``data`` (rows); -999 is nothing.
"""

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeGuard

from needle_assets.fetch.around import AnswerError, Around
from needle_assets.fetch.brokers.rows import checked_list
from needle_assets.fetch.catalogues.packet_hosts import update_packet_hosts
from needle_assets.fetch.run import FetchSummary, Run, running
from needle_assets.fetch.service import Service, read_json
from needle_assets.fetch.snapshots import MARK, completed_source, merge_hosts, read_host_rows
from needle_assets.images.stamps import sky_offset_arcsec
from needle_assets.landing.values import shown
from needle_assets.landing.ztf_packets import is_ztf_id
from needle_assets.samples.hosts import COMPLETED, PACKET, WITHOUT_HOST
from needle_assets.settings import Settings
from needle_assets.surveys.panstarrs import HOST_BANDS

COLUMNS = ("objID", "raStack", "decStack", *(f"{band}ApMag" for band in HOST_BANDS))
MERGE_EVERY = 50
MAX_PAGES = 100


@dataclass(frozen=True)
class Host:
    """Where an object's host is, as text where somebody gave it so, and who says it."""

    object_id: str
    ra_deg: str
    dec_deg: str
    separation_arcsec: str
    source: str

    @property
    def position(self) -> str:
        """What the question depends on."""
        return f"{self.ra_deg} {self.dec_deg}"


def fetch_panstarrs(
    landing: Path, *, settings: Settings, ids: Collection[str] | None = None, around: Around | None = None
) -> FetchSummary:
    """
    Complete the hosts of the folder (or of ``ids``) with aperture magnitudes.

    A host is the one in force in ``hosts.csv`` (a person's, or Sherlock's), else the Pan-STARRS source that the newest packet
    makes it, by the rule of ``core.hosts``; the new row says which in ``source``. Answers are kept in ``answers/panstarrs``.
    """
    around = around or Around()
    manners = settings.fetch
    with running("panstarrs", landing, settings, around) as run, Service("MAST", manners.panstarrs, manners, around) as api:
        merge_hosts(run.folder, [])  # what completed a row that somebody changed since is out of force first
        source = _PanStarrs(run, api)
        hosts = {host.object_id: host for host in _hosts(run) if (ids is None or host.object_id in ids) and source.is_due(host)}
        run.wanted = tuple(sorted(hosts))
        try:
            run.each(run.wanted, lambda object_id: source.visit(hosts[object_id]), "hosts")
        finally:
            source.merge()
    return run.summary(api)


def nearest_magnitudes(
    rows: Sequence[Mapping[str, Any]], ra_deg: float, dec_deg: float, *, radius_arcsec: float, duplicate_arcsec: float
) -> dict[str, float] | None:
    """
    Aperture magnitudes of the source nearest to a position.

    Parameters
    ----------
    rows : sequence of mappings
        raStack, decStack [deg], gApMag to yApMag [AB mag]; -999 and None are nothing. In any order.
    ra_deg, dec_deg : float
        The position [deg].
    radius_arcsec : float
        Sources farther away are not it.
    duplicate_arcsec : float
        Rows within this of the nearest are the same source, measured again; they fill the bands that it lacks, the nearest first.

    Returns
    -------
    dict of band to magnitude, or None
        None if no row with a magnitude is near enough.

    Notes
    -----
    Paper, section 2.2. The authors take the first row of the answer, which need not be the nearest.
    """
    placed = sorted(((_distance(row, ra_deg, dec_deg), _magnitudes(row), row) for row in rows), key=lambda found: found[0])
    near = [(mags, row) for distance, mags, row in placed if distance <= radius_arcsec and mags]
    if not near:
        return None
    nearest = near[0][1]
    same = [mags for mags, row in near if _distance(row, nearest["raStack"], nearest["decStack"]) <= duplicate_arcsec]
    return {band: next(mags[band] for mags in same if band in mags) for band in HOST_BANDS if any(band in mags for mags in same)}


def _distance(row: Mapping[str, Any], ra_deg: float, dec_deg: float) -> float:
    ra, dec = row.get("raStack"), row.get("decStack")
    if not _is_number(ra) or not _is_number(dec) or ra < 0 or not -90 <= dec <= 90:
        return math.inf
    offset = math.hypot(*sky_offset_arcsec(ra_deg, dec_deg, ra, dec))
    return offset if math.isfinite(offset) else math.inf


def _magnitudes(row: Mapping[str, Any]) -> dict[str, float]:
    given = {band: row.get(f"{band}ApMag") for band in HOST_BANDS}
    return {band: float(mag) for band, mag in given.items() if _is_number(mag) and -5 < mag < 40}


def _is_number(value: Any) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _hosts(run: Run) -> Iterator[Host]:
    """The host of every object that has one: in force in hosts.csv, else named by a packet."""
    known = run.state.setdefault("packet_hosts", {})
    packets = update_packet_hosts(run.folder.path, known, run.settings.hosts)
    in_force = {object_id: row for object_id, row in read_host_rows(run.folder).items() if row["source"] not in WITHOUT_HOST}
    for object_id, row in in_force.items():
        is_from_packet = row["source"].startswith(PACKET)
        if (
            is_ztf_id(object_id)
            and not is_from_packet
            and not (all(row[f"{band}Ap"] for band in HOST_BANDS) and MARK not in row["source"])
        ):
            yield Host(object_id, row["host_ra"], row["host_dec"], row["separation_arcsec"], row["source"])
    for object_id, found in packets.items():
        if object_id not in in_force or in_force[object_id]["source"].startswith(PACKET):
            place = (
                repr(round(found["ra_deg"], 8)),
                repr(round(found["dec_deg"], 8)),
                repr(round(found["separation_arcsec"], 4)),
            )
            done = in_force.get(object_id, {}).get("source", "")
            source = f"{PACKET} {found['ps1_id']}"
            yield Host(object_id, *place, done if done == completed_source(source) else source)


class _PanStarrs:
    def __init__(self, run: Run, api: Service) -> None:
        self._run, self._api = run, api
        self._rows: list[dict[str, Any]] = []
        self._asked: dict[str, str] = {}

    def is_due(self, host: Host) -> bool:
        """Whether its magnitudes are missing and were not asked for in vain at this position."""
        known = self._run.state["objects"].get(host.object_id, {})
        is_completed = host.source.endswith(COMPLETED + MARK)
        return not is_completed and (known.get("position") != host.position or bool(known.get("again")))

    def visit(self, host: Host) -> None:
        """Ask for one host; its row waits to be merged with others."""
        self._run.attempt(host.object_id, partial(self._host, host), of=(host.object_id,))
        if len(self._asked) >= MERGE_EVERY:
            self.merge()

    def merge(self) -> None:
        """Write the rows that wait, and only then note that they were asked for."""
        self._run.hosts += merge_hosts(self._run.folder, self._rows)
        for object_id, position in self._asked.items():
            self._run.finish(object_id, position=position)
        self._rows, self._asked = [], {}

    def _host(self, host: Host) -> None:
        try:
            ra_deg, dec_deg = float(host.ra_deg), float(host.dec_deg)
        except ValueError:
            raise AnswerError(
                f"the host's position in hosts.csv is {shown(host.position)}; decimal degrees are needed."
            ) from None
        wants = self._run.settings.fetch
        rows = self._ask(host.object_id, ra_deg, dec_deg)
        mags = nearest_magnitudes(
            rows, ra_deg, dec_deg, radius_arcsec=wants.host_radius_arcsec, duplicate_arcsec=wants.host_duplicate_arcsec
        )
        if mags is None:
            self._absent(host)
            return
        self._asked[host.object_id] = host.position
        self._run.done.add(host.object_id)
        place = {"host_ra": host.ra_deg, "host_dec": host.dec_deg, "separation_arcsec": host.separation_arcsec}
        magnitudes = {f"{band}Ap": round(mag, 4) for band, mag in mags.items()}
        row = {"ztf_id": host.object_id, **place, **magnitudes, "mw_corrected": False, "source": completed_source(host.source)}
        self._rows.append(row)

    def _absent(self, host: Host) -> None:
        """No source there: asked again some nights, then no more at this position."""
        name = f"{host.object_id} {host.position}"
        self._run.absent += 1
        self._run.done.add(host.object_id)
        self._run.note_absent(name)
        if self._run.is_given_up(name):
            self._asked[host.object_id] = host.position

    def _ask(self, object_id: str, ra_deg: float, dec_deg: float) -> list[dict[str, Any]]:
        page_size, radius_deg = self._run.settings.fetch.panstarrs.batch, self._run.settings.fetch.host_radius_arcsec / 3600
        query: dict[str, Any] = {"ra": ra_deg, "dec": dec_deg, "radius": round(radius_deg, 7)}
        query |= {"columns": f"[{','.join(COLUMNS)}]", "pagesize": page_size}
        rows: list[dict[str, Any]] = []
        for page in range(1, MAX_PAGES + 1):
            content, found = self._api.ask("/stack.json", _read_page, query=query | {"page": page})
            self._run.folder.write(self._run.folder.answer_path("stack" if page == 1 else f"stack-{page}", object_id), content)
            rows += found
            if len(found) < page_size:
                return rows
        raise AnswerError(f"MAST lists more than {MAX_PAGES * page_size} sources around the host.")


def _read_page(content: bytes) -> tuple[bytes, list[dict[str, Any]]]:
    answer = read_json(content)
    if not isinstance(answer, dict) or "data" not in answer:
        raise AnswerError(f"MAST's answer has no data: {shown(answer)}.")
    info = answer.get("info") or [{"name": name} for name in COLUMNS]
    columns = checked_list(info, "MAST's info")
    names = [str(column.get("name") if isinstance(column, dict) else column) for column in columns]
    missing = sorted(set(COLUMNS[1:]) - set(names))
    rows = checked_list(answer["data"], "MAST's data")
    if missing or any(not isinstance(row, list) or len(row) != len(names) for row in rows):
        raise AnswerError(f"MAST's answer has other columns than asked for; missing are {', '.join(missing) or 'none'}.")
    return content, [dict(zip(names, row, strict=True)) for row in rows]
