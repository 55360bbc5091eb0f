"""Looks into landed files to learn which packet or row belongs to which object. Runs in workers; stores nothing."""

import hashlib
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl

from needle_assets.errors import Rejection
from needle_assets.landing.catalogues import read_catalogue, read_hosts, read_tns
from needle_assets.landing.catalogues.photometry import read_light_curves
from needle_assets.landing.dust import read_dust
from needle_assets.landing.field_images import find_image
from needle_assets.landing.folder import LandedPacket, LandingFile, read_packet_file
from needle_assets.landing.found import FileReport, FoundPacket
from needle_assets.landing.names import SCHEMAS_FOLDER
from needle_assets.landing.packets import read_packets
from needle_assets.landing.verdicts import read_verdicts
from needle_assets.processes.workers import DIED, Rescue
from needle_assets.surveys.known import is_object_id

Accepted = pl.DataFrame | list[Mapping[str, Any]]


def _read_as_one(path: Path, notices: list[str]) -> tuple[Accepted, list[Rejection]]:
    """The Transient Name Server's list under one name: which of its objects are whose is found out when there are positions."""
    listed, rejections = read_tns(path, notices)
    return listed.with_columns(object_id=pl.lit("TNS")), rejections


READERS: Mapping[str, Callable[[Path, list[str]], tuple[Accepted, list[Rejection]]]] = {
    "catalogue": read_catalogue,
    "hosts": read_hosts,
    "verdicts": read_verdicts,
    "stamp_verdicts": read_verdicts,
    "tns": _read_as_one,
    "dust": read_dust,
}


def read_file(task: tuple[Path, tuple[LandingFile, ...]]) -> list[FileReport]:
    """What lies in some packet files or archives below a folder; damage is part of the report, never an exception."""
    folder, files = task
    return [_read_one(folder, file) for file in files]


def _lost(task: tuple[Path, tuple[LandingFile, ...]]) -> list[FileReport]:
    reason = f"the file cannot be read: {DIED}; take it out of the landing folder, or replace it by a sound one."
    return [FileReport(file, rejections=[Rejection(reason, path=file.path)]) for file in task[1]]


RESCUE_FILES: Rescue[tuple[Path, tuple[LandingFile, ...]], list[FileReport]] = Rescue(
    lambda task: [(task[0], (file,)) for file in task[1]], lambda parts: [report for part in parts for report in part], _lost
)


def _read_one(folder: Path, file: LandingFile) -> FileReport:
    report = FileReport(file, notices=[file.notice] if file.notice else [])
    if file.problem:
        report.rejections.append(Rejection(file.problem, path=file.path))
    if file.kind == "unknown":
        return report
    if file.kind == "field_images":
        _identify_image(folder, report)
        return _again_if_passing(report)
    for item in read_packet_file(folder, file):
        if isinstance(item, Rejection):
            report.rejections.append(_placed(item, file.path, None))
        else:
            _identify(item, report, folder / SCHEMAS_FOLDER)
    return _again_if_passing(report)


def _again_if_passing(report: FileReport) -> FileReport:
    """The report of a file that could not be read just now: no file's time, so that it counts as changed until it is read."""
    is_passing = any(why.is_passing for why in report.rejections)
    return replace(report, file=report.file._replace(mtime_ns=-1)) if is_passing else report


def _identify_image(folder: Path, report: FileReport) -> None:
    try:
        report.images.append(find_image(folder, report.file))
    except Rejection as why:
        report.rejections.append(_placed(why, report.file.path, None))


def _identify(landed: LandedPacket, report: FileReport, schemas: Path) -> None:
    for found in read_packets(landed.data, schemas):
        if isinstance(found, Rejection):
            report.rejections.append(_placed(found, landed.path, landed.member))
        else:
            place = (landed.path, landed.member or "")
            report.packets.append(FoundPacket(*place, found.object_id, found.candid, landed.sha256, landed.size))


def _placed(why: Rejection, path: str, member: str | None) -> Rejection:
    """The rejection with where it was met, under the object it is of where that is known."""
    placed = why.also(path=path)
    if member:
        placed.measured["member"] = member
    if not is_object_id(placed.object_id):
        placed.object_id = None
    return placed


def read_snapshot(task: tuple[Path, LandingFile]) -> tuple[FileReport, dict[str, str]]:
    """What :func:`read_whole_file` finds, for whoever gives tasks."""
    return read_whole_file(*task)


RESCUE_SNAPSHOT: Rescue[tuple[Path, LandingFile], tuple[FileReport, dict[str, str]]] = Rescue(
    lambda task: [task],
    lambda parts: parts[0],
    lambda task: (replace(_lost((task[0], (task[1],)))[0], is_readable=False), {}),
)


def read_whole_file(folder: Path, file: LandingFile) -> tuple[FileReport, dict[str, str]]:
    """
    What a catalogue, photometry or hosts file says of each object, as a hash by object_id, and what no object can be named for.

    A refused row that names its object counts as something said of it: its stage reports the refusal again.
    """
    notices: list[str] = []
    try:
        accepted, forced, rejections = _read_whole(folder / file.path, file.kind, notices)
    except (Rejection, OSError) as why:
        refusal = why if isinstance(why, Rejection) else Rejection(f"{file.path} cannot be read ({why.strerror}).")
        return FileReport(file, rejections=[_placed(refusal, file.path, None)], is_readable=False), {}
    frame = accepted if isinstance(accepted, pl.DataFrame) else pl.DataFrame(accepted, infer_schema_length=None)
    counted = {name: len(frame) - frame[name].null_count() for name in frame.columns}
    rows_of = Counter(id_ for rows in (frame, forced) for id_ in (rows["object_id"].to_list() if len(rows) else []))
    forced_of, _ = what_is_said(forced, [], is_catalogue=False)
    said, unnamed = what_is_said(frame, rejections, is_catalogue=file.kind == "catalogue", also=forced_of)
    placed = [_placed(why, file.path, None) for why in unnamed]
    n_refused = sum("row" in why.measured for why in rejections)
    if frame.is_empty() and forced.is_empty() and n_refused:
        useless = Rejection(f"no row of {file.path} can be used, {n_refused} are refused; the first: {_first_row(rejections)}")
        return FileReport(file, rejections=[_placed(useless, file.path, None), *placed], is_readable=False), {}
    held = {"rows": len(frame) + len(forced), "objects": len(said), **counted}
    return FileReport(file, rejections=placed, notices=notices, held=held, rows_of=rows_of, forced_of=forced_of), said


def _read_whole(path: Path, kind: str, notices: list[str]) -> tuple[Accepted, pl.DataFrame, list[Rejection]]:
    if kind == "photometry":
        return read_light_curves(path, notices)
    accepted, rejections = READERS[kind](path, notices)
    return accepted, pl.DataFrame(), rejections


def _first_row(rejections: list[Rejection]) -> str:
    return next(why.reason for why in rejections if "row" in why.measured)


def what_is_said(
    frame: pl.DataFrame, rejections: list[Rejection], *, is_catalogue: bool, also: Collection[str] = ()
) -> tuple[dict[str, str], list[Rejection]]:
    """
    Accepted rows and refusals of a snapshot as one hash an object, by object_id; and the refusals that no known object is named in.

    The file is known to say something else of the objects ``also``.
    """
    said: dict[str, list[str]] = {object_id: [] for object_id in also}
    unnamed: list[Rejection] = []
    for text, object_id in _texts(frame):
        said.setdefault(object_id, []).append(text)
    for rejection in rejections:
        named = rejection.measured.get("object_id")
        if isinstance(named, str) and (named in said or is_catalogue):
            said.setdefault(named, []).append(rejection.reason)
        else:
            unnamed.append(rejection)
    return {object_id: _hash(texts) for object_id, texts in said.items()}, unnamed


def _texts(frame: pl.DataFrame) -> list[tuple[str, str]]:
    if frame.is_empty():
        return []
    # Hashes of another version of polars may differ: everything then counts as changed once, and comes out the same.
    return list(zip(frame.hash_rows(seed=0).cast(pl.String).to_list(), frame["object_id"].to_list(), strict=True))


def _hash(texts: list[str]) -> str:
    return hashlib.md5("\n".join(sorted(texts)).encode(), usedforsecurity=False).hexdigest()
