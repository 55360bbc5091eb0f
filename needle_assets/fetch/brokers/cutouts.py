"""Cutouts of detections that have no packet yet: which are worth asking for, and a packet made of row and cutouts."""

from collections.abc import Collection, Mapping, Sequence
from functools import partial
from typing import Any

from needle_assets.fetch.around import AnswerError, NotThereError
from needle_assets.fetch.brokers.packets import assemble_packet, read_cutout
from needle_assets.fetch.brokers.rows import Detection
from needle_assets.fetch.run import Run
from needle_assets.fetch.service import Service
from needle_assets.landing.packets import read_packet
from needle_assets.surveys.clock import MJD_OFFSET
from needle_assets.surveys.ztf import ZTF

NEEDED = ("cutoutScience", "cutoutTemplate")

_FID_OF_BAND = {band: fid for fid, band in ZTF.band_of_number.items()}

Ask = Mapping[str, Any]


def brightest_without_packet(detections: Sequence[Detection], landed: Collection[int], n_detections: int) -> list[Detection]:
    """
    The detections whose cutouts are worth asking for.

    The brightest ``n_detections`` positive ones in g and r (0: all), and of them those without a packet in the folder. The choice
    is made among all detections, so that an object that has faded asks for nothing more.
    """
    usable = sorted((d for d in detections if d.is_positive and d.band in ZTF.fit_bands), key=lambda d: (d.mag, d.mjd))
    return [found for found in usable[: n_detections or None] if found.candid not in landed]


def land_assembled(
    run: Run, service: Service, object_id: str, found: Detection, asks: Mapping[str, Ask | str | None], publisher: str
) -> None:
    """
    Ask for the cutouts of one detection and put a packet made of them into the folder.

    Parameters
    ----------
    run : Run
        Counts the packet.
    service : Service
        Where the cutouts are.
    object_id : str
        The object.
    found : Detection
        Its row gives the packet's fields.
    asks : mapping
        For each cutout the path, or the arguments of ``Service.ask``; None where there is none.
    publisher : str
        Written into the packet.

    Raises
    ------
    NotThereError
        If the service lacks one of the cutouts; it is counted, and after some nights they are not asked for again.
    AnswerError
        If a cutout has no usable answer, or the row lacks what a packet needs.
    """
    name = str(found.candid)
    if run.is_given_up(name):
        return
    cutouts: dict[str, bytes] = {}
    for kind, ask in asks.items():
        content = None if ask is None else _cutout(service, ask)
        if content is None and (ask is not None or kind in NEEDED):
            run.note_absent(name)
            raise NotThereError(f"{service.name} has no {kind} of {name}.")
        cutouts |= {} if content is None else {kind: content}
    known = {"jd": found.mjd + MJD_OFFSET, **found.row}
    fields = known | {"fid": _FID_OF_BAND[found.band], "isdiffpos": "t" if found.is_positive else "f"}
    try:
        content = assemble_packet(object_id, found.candid, fields, cutouts, publisher)
    except KeyError as missing:
        raise AnswerError(f"the row of detection {name} has no {missing.args[0]}; no packet can be made.") from None
    read_packet(content)
    run.packets += run.folder.write(run.folder.packet_path(object_id, found.candid), content)


def _cutout(service: Service, ask: Ask | str) -> bytes | None:
    request = partial(service.ask, ask) if isinstance(ask, str) else partial(service.ask, **ask)
    try:
        return request(read=read_cutout)
    except NotThereError:
        return None
