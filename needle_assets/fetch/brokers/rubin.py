"""Sources of Rubin's objects as two brokers give them: Fink (LSST) without an account, Lasair (LSST) with its own token.

Requests: Fink's ``POST /sources`` with ``diaObjectId`` gives one row per source, Rubin's names under ``r:``; Lasair's ``POST /object/``
with ``objectId`` gives a record with ``diaSourcesList``. Both give Rubin's fluxes and times, which
become what the reader of packets makes of them. ALeRCE's documented rows of sources have neither time nor band, so it is not asked.
"""

from collections.abc import Callable, Collection
from functools import partial
from pathlib import Path
from typing import Any

from needle_assets.errors import Rejection
from needle_assets.fetch.around import AnswerError, Around, DamagedError
from needle_assets.fetch.brokers.rows import Detection, checked_rows, keep_answer, merge_kept, newest_mjd
from needle_assets.fetch.due import want_objects
from needle_assets.fetch.run import FetchSummary, Run, running
from needle_assets.fetch.service import Service, read_json, token_from
from needle_assets.landing.lsst_packets import source_entry
from needle_assets.landing.values import shown
from needle_assets.settings import Settings
from needle_assets.surveys.clock import MJD_OFFSET
from needle_assets.surveys.lsst import LSST

PREFIX = "r:"
FINK_COLUMNS = ("diaObjectId", "diaSourceId", "midpointMjdTai", "band", "psfFlux", "psfFluxErr", "isNegative")
TOKEN_VARIABLE = "NEEDLE_LASAIR_LSST_TOKEN"  # noqa: S105 - the name of a variable, not a token
TOKEN_REMEDY = "copy your token from the profile page of lasair.lsst.ac.uk into it."  # noqa: S105 - a sentence

Ask = Callable[[Service, str], bytes]
ReadRows = Callable[[Any], list[dict[str, Any]]]


def fetch_fink_lsst(
    landing: Path, *, settings: Settings, ids: Collection[str] | None = None, around: Around | None = None
) -> FetchSummary:
    """What Fink has of Rubin's objects that are followed and due, or of ``ids``: rows of photometry, and the answers as they came."""
    around = around or Around()
    with running("fink_lsst", landing, settings, around) as run:
        service = Service("Fink (LSST)", settings.fetch.fink_lsst, settings.fetch, around)
        return _fetched(run, service, ids, _ask_fink, rows_of_fink)


def fetch_lasair_lsst(
    landing: Path, *, settings: Settings, ids: Collection[str] | None = None, around: Around | None = None
) -> FetchSummary:
    """What Lasair has of Rubin's objects, as ``fetch_fink_lsst``. Raises FetchError if no token is set."""
    around = around or Around()
    token = token_from(around.environment, TOKEN_VARIABLE, TOKEN_REMEDY)
    with running("lasair_lsst", landing, settings, around) as run:
        service = Service("Lasair (LSST)", settings.fetch.lasair_lsst, settings.fetch, around, token=token)
        return _fetched(run, service, ids, _ask_lasair, rows_of_lasair)


def rows_of_fink(value: Any) -> list[dict[str, Any]]:
    """Sources under Rubin's names. Raises AnswerError for another shape."""
    rows = checked_rows(value, "Fink's rows")
    return [{name.removeprefix(PREFIX): given for name, given in row.items() if name.startswith(PREFIX)} for row in rows]


def rows_of_lasair(value: Any) -> list[dict[str, Any]]:
    """Sources in the record of an object. Raises AnswerError for another shape."""
    if not isinstance(value, dict):
        raise AnswerError(f"a record of an object was expected, Lasair's answer is {shown(value)}.")
    object_id = value.get("diaObjectId")
    rows = checked_rows(value.get("diaSourcesList"), "Lasair's diaSourcesList")
    return [{"diaObjectId": object_id} | row for row in rows]


def read_sources(rows: list[dict[str, Any]]) -> list[Detection]:
    """
    Sources as detections: magnitude, sign and time as of a packet's.

    Raises
    ------
    AnswerError
        If there are rows, and none of them can be used; a single one that has no flux is passed over.
    """
    found, refused = [], []
    for row in rows:
        try:
            found.append(_detection(row))
        except Rejection as why:
            refused.append(why.reason)
    if refused and not found:
        raise AnswerError(f"none of {len(refused)} sources can be used: {refused[0]}")
    return found


def _detection(row: dict[str, Any]) -> Detection:
    entry = source_entry(row)
    if entry["candid"] is None:
        raise Rejection("the source has no diaSourceId.")
    band = LSST.band_of_number[entry["fid"]]
    is_positive = entry["isdiffpos"] == "t"
    return Detection(entry["candid"], entry["jd"] - MJD_OFFSET, band, entry["magpsf"], entry["sigmapsf"], is_positive, row)


def _fetched(run: Run, service: Service, ids: Collection[str] | None, ask: Ask, read: ReadRows) -> FetchSummary:
    def visit(object_id: str) -> None:
        run.attempt(object_id, partial(_take, run, service, object_id, ask, read), of=(object_id,))

    with service:
        try:
            run.each(want_objects(run, ids, LSST), visit)
        finally:
            merge_kept(run, lambda value: read_sources(read(value)))
    return run.summary(service)


def _take(run: Run, service: Service, object_id: str, ask: Ask, read: ReadRows) -> None:
    content = ask(service, object_id)
    rows = read(read_json(content))
    if strangers := [row.get("diaObjectId") for row in rows if str(row.get("diaObjectId")) != object_id]:
        raise AnswerError(f"sources of {object_id} were asked for, one of {shown(strangers[0])} came.")
    if not rows:
        run.finish_absent(object_id)
        return
    detections = read_sources(rows)
    keep_answer(run, object_id, content)
    run.finish(object_id, newest_mjd=newest_mjd(detections))


def _ask_fink(service: Service, object_id: str) -> bytes:
    columns = ",".join(PREFIX + name for name in FINK_COLUMNS)
    return service.ask("/sources", _whole, body={"diaObjectId": object_id, "columns": columns, "output-format": "json"})


def _ask_lasair(service: Service, object_id: str) -> bytes:
    return service.ask("/object/", _whole, form={"objectId": object_id})


def _whole(content: bytes) -> bytes:
    """The answer as it came, if it is whole JSON; else it is asked for again."""
    try:
        read_json(content)
    except AnswerError as why:
        raise DamagedError(str(why)) from None
    return content
