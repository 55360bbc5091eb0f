"""Fink: detections and cutouts of ZTF objects, without an account.

Documented requests (Fink object API): ``POST /objects`` with ``objectId`` (several, comma-separated) gives one row per alert with
ZTF's fields under ``i:``; ``POST /cutouts`` with objectId, candid, kind and output-format FITS gives one image as it was in the
alert.
"""

from collections.abc import Collection, Sequence
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
from needle_assets.fetch.run import FetchSummary, Run, running
from needle_assets.fetch.service import Service
from needle_assets.landing.values import shown
from needle_assets.settings import Settings
from needle_assets.surveys.clock import MJD_OFFSET

PREFIX = "i:"
_KINDS = {"cutoutScience": "Science", "cutoutTemplate": "Template", "cutoutDifference": "Difference"}


def fetch_fink(
    landing: Path, *, settings: Settings, ids: Collection[str] | None = None, around: Around | None = None
) -> FetchSummary:
    """
    What Fink has of the objects that are due, or of ``ids``.

    Detections go to the photometry (source ``fink``) and, as they came, to ``answers/fink/detections``; the brightest detections
    without a packet get one put together from row and cutouts.
    """
    around = around or Around()
    manners = settings.fetch
    with running("fink", landing, settings, around) as run, Service("Fink", manners.fink, manners, around) as api:
        source = _Fink(run, api)
        try:
            run.each(batches(want_objects(run, ids), manners.fink.batch), source.visit)
        finally:
            merge_kept(run, read_detections)
    return run.summary(api)


def read_detections(value: Any) -> list[Detection]:
    """Detections in the rows of one object. Raises AnswerError for another shape."""
    rows = [_without_prefix(row) for row in checked_rows(value, "Fink's rows")]
    found = (
        detection(row, candid=row.get("candid"), time="jd", offset_days=MJD_OFFSET, mag=("magpsf",), mag_err=("sigmapsf",))
        for row in rows
    )
    return [one for one in found if one is not None]


def _without_prefix(row: dict[str, Any]) -> dict[str, Any]:
    return {name.removeprefix(PREFIX): value for name, value in row.items() if name.startswith(PREFIX)}


class _Fink:
    def __init__(self, run: Run, api: Service) -> None:
        self._run, self._api = run, api
        self._landed = run.folder.landed_candids()

    def visit(self, ids: Sequence[str]) -> None:
        """Ask for a batch of objects and take each of them in."""
        given = self._run.attempt(named(ids), partial(self._ask_objects, ids), of=ids)
        for object_id in ids if given is not None else ():
            self._run.attempt(object_id, partial(self._object, object_id, (given or {}).get(object_id)), of=(object_id,))

    def _ask_objects(self, ids: Sequence[str]) -> dict[str, list[tuple[bytes, Any]]]:
        """The rows of each object, as they came and read; objects that Fink does not know are missing."""
        body = {"objectId": ",".join(ids), "output-format": "json"}
        found: dict[str, list[tuple[bytes, Any]]] = {}
        for text, row in self._api.ask("/objects", pieces_of_list, body=body):
            if not isinstance(row, dict) or row.get("i:objectId") not in ids:
                raise AnswerError(f"a row of {named(ids)} was expected, Fink's answer holds {shown(row)}.")
            found.setdefault(row["i:objectId"], []).append((text, row))
        return found

    def _object(self, object_id: str, given: list[tuple[bytes, Any]] | None) -> None:
        if given is None:
            self._run.finish_absent(object_id)
            return
        detections = read_detections([row for _, row in given])
        keep_answer(self._run, object_id, b"[" + b",\n".join(text for text, _ in given) + b"]")
        for found in brightest_without_packet(detections, self._landed, self._run.settings.fetch.fink.cutouts):
            ask = partial(self._packet, object_id, found)
            self._run.attempt(f"cutouts {found.candid} of {object_id}", ask, of=(object_id,), may_be_absent=True)
        self._run.finish(object_id, newest_mjd=newest_mjd(detections))

    def _packet(self, object_id: str, found: Detection) -> None:
        asked = {"objectId": object_id, "candid": str(found.candid), "output-format": "FITS"}
        asks = {name: {"path": "/cutouts", "body": asked | {"kind": kind}} for name, kind in _KINDS.items()}
        land_assembled(self._run, self._api, object_id, found, asks, "needle_assets, from Fink's row and cutouts")
        self._landed.add(found.candid)
