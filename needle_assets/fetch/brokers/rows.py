"""What the alert brokers (ALeRCE, Lasair, Fink) share: detections from rows, packets into the folder, photometry merged.

Each broker's own requests and field names are in its module.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from needle_assets.errors import Rejection
from needle_assets.fetch.around import AnswerError, DamagedError
from needle_assets.fetch.run import Run
from needle_assets.fetch.service import read_json
from needle_assets.fetch.snapshots import merge_photometry
from needle_assets.landing.packets import read_packet
from needle_assets.landing.values import shown
from needle_assets.surveys.ztf import ZTF

DETECTIONS = "detections"
MERGE_AT_ONCE = 2_000

_POSITIVE, _NEGATIVE = ("t", "true", "1"), ("f", "false", "0", "-1")


@dataclass(frozen=True)
class Detection:
    """One detection as a broker gives it; ``candid`` is its packet's number, ``row`` all that was said of it."""

    candid: int
    mjd: float
    band: str
    mag: float
    mag_err: float
    is_positive: bool
    row: Mapping[str, Any]


ReadDetections = Callable[[Any], list[Detection]]


def batches(things: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    """``things`` in order, ``size`` at a time."""
    for start in range(0, len(things), max(1, size)):
        yield things[start : start + size]


def named(ids: Sequence[str]) -> str:
    """A batch of objects as a failure names it."""
    return ids[0] if len(ids) == 1 else f"{ids[0]} and {len(ids) - 1} more"


def checked_list(value: Any, what: str) -> list[Any]:
    """``value`` if it is a list. Raises AnswerError naming what was expected."""
    if not isinstance(value, list):
        raise AnswerError(f"{what}: a list was expected, the answer is {shown(value)}.")
    return value


def checked_rows(value: Any, what: str) -> list[dict[str, Any]]:
    """``value`` if it is a list of records. Raises AnswerError naming what was expected."""
    if any(not isinstance(row, dict) for row in checked_list(value, what)):
        raise AnswerError(f"{what}: a list of records was expected, the answer is {shown(value)}.")
    return list(value)


def number(row: Mapping[str, Any], *names: str) -> float | None:
    """The number under the first of ``names`` that the row has; None if it is null. Raises AnswerError if it is none at all."""
    found = [row[name] for name in names if name in row]
    value = found[0] if found else "absent"
    if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
        raise AnswerError(f"{names[0]} of a detection is {shown(value)}, a number is needed.")
    return None if value is None or not math.isfinite(value) else float(value)


def candid_of(value: Any) -> int:
    """A packet's number given as integer or digits. A float is refused: it has lost the last digits."""
    if isinstance(value, str) and value.isdecimal() and value.isascii() and len(value) < 20:
        value = int(value)
    if type(value) is not int or not 0 < value < 2**63:
        raise AnswerError(f"candid of a detection is {shown(value)}, a whole number is needed.")
    return value


def detection(
    row: Mapping[str, Any], *, candid: Any, time: str, offset_days: float = 0.0, mag: Sequence[str], mag_err: Sequence[str]
) -> Detection | None:
    """
    A broker's row as a detection.

    Parameters
    ----------
    row : mapping
        Has ``fid`` (1, 2, 3 or g, r, i) and ``isdiffpos``.
    candid : int or str
        The packet's number.
    time : str
        Name of the time [d].
    offset_days : float
        Taken from the time to make it MJD.
    mag, mag_err : sequence of str
        Names under which the broker may give the magnitude and its error; the first that the row has counts.

    Returns
    -------
    Detection or None
        None for another filter, and where magnitude or error is null: the answer is kept, and there is nothing to land.

    Raises
    ------
    AnswerError
        If the row has another shape.
    """
    fid, said = row.get("fid"), str(row.get("isdiffpos")).lower().removesuffix(".0")
    band = ZTF.band_of_number.get(fid) if type(fid) is int else fid if fid in ZTF.bands else None
    days = number(row, time)
    for name, is_given in (("fid", fid is not None), (time, days is not None), ("isdiffpos", said in _POSITIVE + _NEGATIVE)):
        if not is_given:
            raise AnswerError(f"{name} of a detection is {shown(row.get(name))}; it is needed.")
    magnitude, error = number(row, *mag), number(row, *mag_err)
    if band is None or magnitude is None or error is None or days is None:
        return None
    return Detection(candid_of(candid), days - offset_days, band, magnitude, error, said in _POSITIVE, row)


def land_packet(run: Run, content: bytes, object_id: str, candid: int) -> None:
    """Put a packet that is the one asked for into the folder. Raises DamagedError or AnswerError if it is not."""
    try:
        packet = read_packet(content)
    except Rejection as why:
        raise DamagedError(f"packet {candid}: {why.reason}") from None
    if (packet.object_id, packet.candid) != (object_id, candid):
        raise AnswerError(f"packet {candid} of {object_id} was asked for, {packet.candid} of {packet.object_id} came.")
    run.packets += run.folder.write(run.folder.packet_path(object_id, candid), content)


def keep_answer(run: Run, object_id: str, content: bytes) -> None:
    """Keep what a broker said of one object, as it came; its photometry is due to be merged."""
    run.folder.write(run.folder.answer_path(DETECTIONS, object_id), content)


def kept_detections(run: Run, object_id: str, read: ReadDetections) -> list[Detection] | None:
    """The detections of the answer that is kept; None if there is none, or it can no longer be read."""
    answer = _kept_answer(run, object_id)
    try:
        return None if answer is None else read(answer)
    except AnswerError:
        return None


def newest_mjd(detections: Sequence[Detection]) -> float | None:
    """Time of the newest detection [MJD]."""
    return max((found.mjd for found in detections), default=None)


def merge_kept(run: Run, read: ReadDetections, take_in: Callable[[Mapping[str, Any]], None] = lambda _answers: None) -> None:
    """
    Bring the photometry up to date with the answers that are kept and were not merged as they are now.

    An interrupted run leaves answers that are not merged; the next one finds them here. Negative differences are left out: landed
    photometry has no sign. ``take_in`` is given the same answers by object, for what else they say.
    """
    folder, merged = run.folder, run.state["merged"]
    if not any((folder.path / f"photometry.{kind}").exists() for kind in ("parquet", "csv")):
        merged.clear()
    states = {path.stem: _state_of(path) for path in sorted((folder.answers / DETECTIONS).glob("*.json"))}
    waiting = [object_id for object_id, state in states.items() if merged.get(object_id) != state]
    for some in batches(waiting, MERGE_AT_ONCE):
        answers = {object_id: answer for object_id in some if (answer := _kept_answer(run, object_id)) is not None}
        found = {object_id: _photometry(answer, read) for object_id, answer in answers.items()}
        rows = {object_id: some_rows for object_id, some_rows in found.items() if some_rows is not None}
        run.detections += merge_photometry(folder, folder.source, rows)
        take_in({object_id: answers[object_id] for object_id in rows})
        merged.update({object_id: states[object_id] for object_id in rows})


def _kept_answer(run: Run, object_id: str) -> Any:
    try:
        return read_json(run.folder.answer_path(DETECTIONS, object_id).read_bytes())
    except (FileNotFoundError, DamagedError):
        return None


def _photometry(answer: Any, read: ReadDetections) -> list[dict[str, Any]] | None:
    """Rows of photometry in an answer; None if somebody changed it since it came, and it can no longer be read."""
    try:
        return [_photometry_row(found) for found in read(answer) if found.is_positive]
    except AnswerError:
        return None


def _state_of(path: Any) -> list[int]:
    status = path.stat()
    return [status.st_size, status.st_mtime_ns]


def _photometry_row(found: Detection) -> dict[str, Any]:
    return {"mjd": found.mjd, "band": found.band, "mag": found.mag, "mag_err": found.mag_err}
