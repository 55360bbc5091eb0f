"""Lasair: light curves, Sherlock's host association and cutouts of ZTF objects, with a token from NEEDLE_LASAIR_TOKEN.

Documented requests (Lasair REST API): ``POST /objects/`` with ``objectIds=a,b,..`` gives for each object its candidates (those
without ``candid`` are limits), Sherlock's association and the addresses of the cutouts; ``POST /query/`` with selected, tables,
conditions, limit, offset finds objects. The token goes to the API only; cutouts lie on an address of their own and are asked for
without it.
"""

from collections.abc import Collection, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from needle_assets.fetch.around import AnswerError, Around
from needle_assets.fetch.brokers.cutouts import brightest_without_packet, land_assembled
from needle_assets.fetch.brokers.pieces import pieces_of_list
from needle_assets.fetch.brokers.rows import (
    Detection,
    batches,
    checked_rows,
    detection,
    keep_answer,
    merge_kept,
    named,
    newest_mjd,
)
from needle_assets.fetch.due import want_objects
from needle_assets.fetch.run import Failure, FetchSummary, Run, running
from needle_assets.fetch.service import Service, read_json, token_from
from needle_assets.fetch.snapshots import MARK, merge_hosts, read_host_rows
from needle_assets.landing.values import shown
from needle_assets.landing.ztf_packets import is_ztf_id
from needle_assets.samples.hosts import SHERLOCK
from needle_assets.settings import Settings
from needle_assets.surveys.clock import MJD_OFFSET

TOKEN_VARIABLE = "NEEDLE_LASAIR_TOKEN"  # noqa: S105 - the name of a variable, not a token
TOKEN_REMEDY = "copy your token from the profile page of the Lasair website into it."  # noqa: S105 - a sentence
QUERY_ROWS = 1_000
MAX_PAGES = 100
SAME_POSITION_DEG = 1e-5

_IMAGES = {"cutoutScience": "Science", "cutoutTemplate": "Template", "cutoutDifference": "Difference"}


def fetch_lasair(
    landing: Path, *, settings: Settings, ids: Collection[str] | None = None, around: Around | None = None
) -> FetchSummary:
    """
    What Lasair has of the objects that are due, or of ``ids``.

    Light curves go to the photometry (source ``lasair``), Sherlock's associations to ``hosts.csv``, the answers as they came to
    ``answers/lasair/detections``; the brightest detections without a packet get one put together from row and cutouts. With
    ``lasair_conditions`` set, objects that the query finds are followed from then on.

    Raises
    ------
    FetchError
        If no token is set, or no object is known.
    """
    around = around or Around()
    manners = settings.fetch
    token = token_from(around.environment, TOKEN_VARIABLE, TOKEN_REMEDY)
    with (
        running("lasair", landing, settings, around) as run,
        Service("Lasair", manners.lasair, manners, around, token=token) as api,
        Service("Lasair's cutouts", manners.lasair_images, manners, around) as images,
    ):
        source = _Lasair(run, api, images)
        try:
            if ids is None and manners.lasair_conditions:
                run.each([manners.lasair_conditions], source.find)
            if run.stopped is None:
                run.each(batches(want_objects(run, ids), manners.lasair.batch), source.visit)
        finally:
            merge_kept(run, read_detections, source.take_hosts)
            source.say_where_cutouts_are()
    return run.summary(api, images)


def read_detections(value: Any) -> list[Detection]:
    """Detections in the answer about one object; limits are passed over. Raises AnswerError for another shape."""
    if not isinstance(value, dict) or not is_ztf_id(value.get("objectId")):
        raise AnswerError(f"a record of an object was expected, Lasair's answer is {shown(value)}.")
    rows = [row for row in checked_rows(value.get("candidates"), "Lasair's candidates") if row.get("candid") is not None]
    found = (
        detection(row, candid=row["candid"], time="jd", offset_days=MJD_OFFSET, mag=("magpsf",), mag_err=("sigmapsf",))
        for row in rows
    )
    return [one for one in found if one is not None]


def sherlock_host(object_id: str, answer: dict[str, Any]) -> dict[str, Any] | None:
    """
    The host row that Sherlock's association gives; None where it has no position.

    Notes
    -----
    Paper, section 2.2. Any association counts, as in the authors' code: Sherlock calls the nuclei of most known tidal disruption
    events stars, so a choice by its class would lose their hosts. Class and catalogue stand in ``source``.
    """
    said = answer.get("sherlock")
    if not isinstance(said, dict):
        return None
    ra_deg, dec_deg = (_finite(said.get(name)) for name in ("raDeg", "decDeg"))
    if ra_deg is None or dec_deg is None or (ra_deg == 0 and dec_deg == 0) or not (0 <= ra_deg < 360 and -90 <= dec_deg <= 90):
        return None
    named_as = ", ".join(shown(said[name], 20) for name in ("classification", "catalogue_table_name") if said.get(name))
    return {
        "ztf_id": object_id,
        "host_ra": ra_deg,
        "host_dec": dec_deg,
        "separation_arcsec": _finite(said.get("separationArcsec")),
        "mw_corrected": False,
        "source": f"{SHERLOCK}: {named_as}{MARK}",
    }


class _Lasair:
    def __init__(self, run: Run, api: Service, images: Service) -> None:
        self._run, self._api, self._images = run, api, images
        self._landed = run.folder.landed_candids()
        self._elsewhere = ""
        if not (run.folder.path / "hosts.csv").exists():
            run.state["merged"].clear()

    def find(self, conditions: str) -> None:
        found = self._run.attempt("the query for objects", partial(self._query, conditions), of=())
        if found is not None:
            self._run.state["found"] = sorted({*self._run.state.get("found", []), *found})
            self._run.save()

    def _query(self, conditions: str) -> set[str]:
        found: set[str] = set()
        for page in range(MAX_PAGES):
            form = {
                "selected": "objects.objectId",
                "tables": self._run.settings.fetch.lasair_tables,
                "conditions": conditions,
                "limit": str(QUERY_ROWS),
                "offset": str(page * QUERY_ROWS),
            }
            answer = self._api.ask("/query/", read_json, form=form)
            if isinstance(answer, dict) and "error" in answer:
                raise AnswerError(f"Lasair refuses the query: {shown(answer['error'], 200)}")
            rows = checked_rows(answer, "Lasair's query")
            found |= {row["objectId"] for row in rows if is_ztf_id(row.get("objectId"))}
            if len(rows) < QUERY_ROWS:
                return found
        raise AnswerError(f"the query finds more than {MAX_PAGES * QUERY_ROWS} objects; narrow fetch.lasair_conditions.")

    def visit(self, ids: Sequence[str]) -> None:
        """Ask for a batch of objects and take each of them in."""
        given = self._run.attempt(named(ids), partial(self._ask_objects, ids), of=ids)
        for object_id in ids if given is not None else ():
            self._run.attempt(object_id, partial(self._object, object_id, (given or {}).get(object_id)), of=(object_id,))

    def _ask_objects(self, ids: Sequence[str]) -> dict[str, tuple[bytes, dict[str, Any]]]:
        """Each object's part of the answer, as it came and read; objects that Lasair does not know are missing."""
        pieces = self._api.ask("/objects/", pieces_of_list, form={"objectIds": ",".join(ids)})
        for _, value in pieces:
            if value is not None and (not isinstance(value, dict) or value.get("objectId") not in ids):
                raise AnswerError(f"records of {named(ids)} were expected, Lasair's answer holds {shown(value)}.")
        return {value["objectId"]: (text, value) for text, value in pieces if value is not None}

    def _object(self, object_id: str, given: tuple[bytes, dict[str, Any]] | None) -> None:
        if given is None:
            self._run.finish_absent(object_id)
            return
        content, answer = given
        detections = read_detections(answer)
        keep_answer(self._run, object_id, content)
        n_cutouts = self._run.settings.fetch.lasair.cutouts
        for found in brightest_without_packet(detections, self._landed, n_cutouts):
            ask = partial(self._packet, object_id, found)
            self._run.attempt(f"cutouts {found.candid} of {object_id}", ask, of=(object_id,), may_be_absent=True)
        self._run.finish(object_id, newest_mjd=newest_mjd(detections))

    def _packet(self, object_id: str, found: Detection) -> None:
        places = found.row.get("image_urls")
        paths = {name: self._image_path(places.get(kind)) for name, kind in _IMAGES.items()} if isinstance(places, dict) else {}
        if any(paths.values()):
            land_assembled(self._run, self._images, object_id, found, paths, "needle_assets, from Lasair's candidate and cutouts")
            self._landed.add(found.candid)

    def _image_path(self, place: Any) -> str | None:
        """What follows the address of cutouts; None for no place, and for one that lies elsewhere, which is remembered."""
        if not isinstance(place, str) or not place:
            return None
        if place.startswith(self._images.url + "/"):
            return place.removeprefix(self._images.url)
        self._elsewhere = shown(place, 40)
        return None

    def take_hosts(self, answers: Mapping[str, Any]) -> None:
        """Put associations in force that are not yet: an unchanged position keeps the magnitudes it has."""
        in_force = read_host_rows(self._run.folder)
        hosts = [host for object_id, answer in answers.items() if (host := sherlock_host(object_id, answer)) is not None]
        self._run.hosts += merge_hosts(
            self._run.folder, [host for host in hosts if not _is_in_force(host, in_force.get(host["ztf_id"]))]
        )

    def say_where_cutouts_are(self) -> None:
        """List once that cutouts lie elsewhere; an answer cannot send us there by itself."""
        if self._elsewhere:
            reason = f"they lie at {self._elsewhere}; to fetch them from there, set fetch.lasair_images.url."
            self._run.failures.append(Failure("cutouts", reason))


def _is_in_force(host: dict[str, Any], row: dict[str, str] | None) -> bool:
    if row is None or not row["source"].endswith(MARK):
        return row is not None
    if not row["source"].startswith("Sherlock"):
        return False
    try:
        offsets = (float(row["host_ra"]) - host["host_ra"], float(row["host_dec"]) - host["host_dec"])
    except ValueError:
        return False
    return max(map(abs, offsets)) < SAME_POSITION_DEG


def _finite(value: Any) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e6
    return float(value) if is_number else None
