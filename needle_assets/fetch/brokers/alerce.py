"""ALeRCE: detections and whole alert packets of ZTF objects, without an account.

Documented requests (ALeRCE ZTF API v1 and its stamp service):
``GET /objects?oid=..&oid=..&page=..&page_size=..`` lists ndet and lastmjd, so that only objects with something new are asked for;
``GET /objects/<oid>/detections``; ``GET /get_avro?oid=..&candid=..`` at the stamp service gives the packet as ZTF sent it.
"""

from collections.abc import Collection, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from needle_assets.fetch.around import AnswerError, Around, NotThereError
from needle_assets.fetch.brokers.rows import (
    Detection,
    batches,
    checked_rows,
    detection,
    keep_answer,
    kept_detections,
    land_packet,
    merge_kept,
    named,
    newest_mjd,
)
from needle_assets.fetch.due import want_objects
from needle_assets.fetch.run import FetchSummary, Run, running
from needle_assets.fetch.service import Service, read_json
from needle_assets.landing.ztf_packets import is_ztf_id
from needle_assets.settings import Settings

MAX_PAGES = 100


def fetch_alerce(
    landing: Path, *, settings: Settings, ids: Collection[str] | None = None, around: Around | None = None
) -> FetchSummary:
    """
    Detections and packets of the objects that are due, or of ``ids``.

    Packets go to ``alerts/alerce/<object_id>/<candid>.avro`` as they came, detections of the API to the photometry (source
    ``alerce``) and, as they came, to ``answers/alerce/detections``.
    """
    around = around or Around()
    manners = settings.fetch
    with (
        running("alerce", landing, settings, around) as run,
        Service("ALeRCE", manners.alerce, manners, around) as api,
        Service("ALeRCE's packets", manners.alerce_packets, manners, around) as stamps,
    ):
        source = _Alerce(run, api, stamps)
        try:
            run.each(batches(want_objects(run, ids), manners.alerce.batch), source.visit)
        finally:
            merge_kept(run, read_detections)
    return run.summary(api, stamps)


def read_detections(value: Any) -> list[Detection]:
    """Detections in an answer; filters other than g, r, i are passed over. Raises AnswerError for another shape."""
    found = (
        detection(row, candid=row.get("candid"), time="mjd", mag=("magpsf", "mag"), mag_err=("sigmapsf", "e_mag"))
        for row in checked_rows(value, "ALeRCE's detections")
    )
    return [one for one in found if one is not None]


class _Alerce:
    def __init__(self, run: Run, api: Service, stamps: Service) -> None:
        self._run, self._api, self._stamps = run, api, stamps
        self._landed = run.folder.landed_candids()

    def visit(self, ids: Sequence[str]) -> None:
        listed = self._run.attempt(f"list of {named(ids)}", lambda: self._list(ids), of=ids)
        for object_id in ids if listed is not None else ():
            self._run.attempt(object_id, partial(self._object, object_id, (listed or {}).get(object_id)), of=(object_id,))

    def _list(self, ids: Sequence[str]) -> dict[str, list[Any]]:
        """What ALeRCE has of some objects: number of detections and time of the last."""
        found: dict[str, list[Any]] = {}
        for page in range(1, MAX_PAGES + 1):
            query = {"oid": list(ids), "page": page, "page_size": self._run.settings.fetch.alerce.batch, "count": "false"}
            answer = self._api.ask("/objects", read_json, query=query)
            if not isinstance(answer, dict) or "items" not in answer:
                raise AnswerError("ALeRCE's list of objects has no items.")
            items = checked_rows(answer["items"], "ALeRCE's list of objects")
            found |= {item["oid"]: [item.get("ndet"), item.get("lastmjd")] for item in items if is_ztf_id(item.get("oid"))}
            if not answer.get("has_next") or not items:
                return found
        raise AnswerError(f"ALeRCE's list of {len(ids)} objects has more than {MAX_PAGES} pages.")

    def _object(self, object_id: str, listed: list[Any] | None) -> None:
        if listed is None:
            self._run.finish_absent(object_id)
            return
        detections = kept_detections(self._run, object_id, read_detections)
        if detections is None or self._run.known(object_id).get("listed") != listed:
            detections = self._ask_detections(object_id)
        for found in detections:
            self._packet(object_id, found)
        self._run.finish(object_id, listed=listed, newest_mjd=newest_mjd(detections))

    def _ask_detections(self, object_id: str) -> list[Detection]:
        content, detections = self._api.ask(
            f"/objects/{object_id}/detections", lambda got: (got, read_detections(read_json(got)))
        )
        keep_answer(self._run, object_id, content)
        return detections

    def _packet(self, object_id: str, found: Detection) -> None:
        name = str(found.candid)
        if found.candid in self._landed or found.row.get("has_stamp") is False or self._run.is_given_up(name):
            return
        self._run.attempt(
            f"packet {name} of {object_id}",
            partial(self._ask_packet, object_id, found.candid),
            of=(object_id,),
            may_be_absent=True,
        )

    def _ask_packet(self, object_id: str, candid: int) -> None:
        query = {"oid": object_id, "candid": candid}
        try:
            self._stamps.ask("/get_avro", lambda content: land_packet(self._run, content, object_id, candid), query=query)
        except NotThereError:
            self._run.note_absent(str(candid))
            raise
        self._landed.add(candid)
