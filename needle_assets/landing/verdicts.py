"""What people say of objects and stamps: two files of the landing folder that only ever grow, and that several people write at once."""

import csv
import datetime as dt
import errno
import fcntl
import io
import os
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from needle_assets.errors import Rejection
from needle_assets.labels import LABELS

OBJECT_FILE, STAMP_FILE = "verdicts.csv", "stamp_verdicts.csv"
COLUMNS: Mapping[str, tuple[str, ...]] = {
    OBJECT_FILE: ("verdict_id", "object_id", "verdict", "comment", "judged_by", "judged_at"),
    STAMP_FILE: ("verdict_id", "object_id", "candid", "image", "verdict", "comment", "judged_by", "judged_at"),
}
IMAGES = ("science", "reference")
MAX_LANDED_CHARACTERS = 4000
REQUIRED = ("object_id", "verdict")
CLASSES = (*LABELS, "other", "junk")
OBJECT_VERDICTS = (*CLASSES, "follow_up", "comment")
STAMP_VERDICTS = ("good", "bad")
MAX_CHARACTERS = {"comment": 1000, "judged_by": 80}
MAX_HEADER_BYTES = 4096
LARGEST_CANDID = 2**63 - 1


def new_id() -> str:
    """An id that no other verdict has; what arrives twice under one id counts once."""
    return uuid.uuid4().hex


def append(folder: Path, name: str, given: Mapping[str, object]) -> dict[str, str]:
    """
    Add one verdict to a file of the landing folder; returns it as it was written. When this returns, it is on the disk.

    One writer at a time holds the file, and a line is written whole or taken back; what somebody left unfinished is ended first.

    Raises
    ------
    Rejection
        If a value cannot be taken, or the file has a header without the columns that are needed.
    OSError
        If the file cannot be written; nothing of the verdict is left then.
    """
    row = _checked(name, given)
    descriptor = os.open(folder / name, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o664)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        size = os.fstat(descriptor).st_size
        header = _header(descriptor, size, name)
        ends_well = size == 0 or os.pread(descriptor, 1, size - 1) == b"\n"
        text = ("" if ends_well else "\n") + (_line(header) if size == 0 else "") + _line([row.get(c, "") for c in header])
        _write_whole(descriptor, text.encode(), size)
    finally:
        os.close(descriptor)  # which lets go of the lock, as the end of the process would
    return row


def read(folder: Path, name: str) -> list[dict[str, str]]:
    """
    The verdicts of a file in the order of their writing, each id once; lines that cannot be taken apart are left out here.

    No file: none.
    """
    try:
        return [row for row, problem in _lines(folder / name) if not problem]
    except FileNotFoundError:
        return []


def read_verdicts(path: Path, notices: list[str] | None = None) -> tuple[list[Mapping[str, Any]], list[Rejection]]:
    """
    Verdicts as rows of ``raw.verdicts``, each id once, and a rejection for each line that is none. Raises OSError if there is no file.

    ``notices`` is for sentences on the file as a whole; there are none.
    """
    del notices
    is_of_stamps = path.name.lower() == STAMP_FILE
    accepted: list[Mapping[str, Any]] = []
    rejections: list[Rejection] = []
    for row, problem in _lines(path):
        if problem:
            rejections.append(Rejection(f"line {row['line']} of {path.name}: {problem}", row=int(row["line"])))
            continue
        candid = row.get("candid", "")
        told = {name: row.get(name) or None for name in ("object_id", "verdict", "comment", "judged_by")}
        stamp = {"candid": int(candid), "image": row["image"]} if is_of_stamps else {"candid": None, "image": None}
        accepted.append({"verdict_id": row["verdict_id"], **told, **stamp, "judged_at": _time(row.get("judged_at", ""))})
    return accepted, rejections


def _lines(path: Path) -> Iterator[tuple[dict[str, str], str]]:
    """Each verdict once with an empty text, or what is known of a line with a sentence on why it is none."""
    with path.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_SH)  # no line is half written
        text = file.read().decode("utf-8-sig", errors="replace").replace("\0", "")
    is_of_stamps, seen = path.name.lower() == STAMP_FILE, set()
    for number, found in enumerate(csv.DictReader(io.StringIO(text), restval=""), start=2):
        row = {str(key).strip().lower(): value for key, value in found.items() if isinstance(value, str)}
        row |= {"line": str(number), "verdict_id": row.get("verdict_id") or f"{path.name} line {number}"}
        problem = _problem(row, is_of_stamps=is_of_stamps)
        if problem or row["verdict_id"] not in seen:
            yield row, problem
        if not problem:
            seen.add(row["verdict_id"])


def _problem(row: Mapping[str, str], *, is_of_stamps: bool) -> str:
    missing = [name for name in REQUIRED if not row.get(name)]
    if missing:
        return f"it has no {' and no '.join(missing)}, so it is no verdict; every line names an object and says something of it."
    if any(len(text) > MAX_LANDED_CHARACTERS or not text.isprintable() for text in row.values()):
        return f"a value is no printable text of at most {MAX_LANDED_CHARACTERS} characters."
    if is_of_stamps and not _names_image(row):
        return "it names no packet (candid) and image, science or reference."
    return ""


def _names_image(row: Mapping[str, str]) -> bool:
    """Whether it says which image of which packet it is of."""
    candid = row.get("candid", "")
    is_number = candid.isascii() and candid.isdigit() and len(candid) < 20 and int(candid) <= LARGEST_CANDID
    return is_number and row.get("image") in IMAGES


def _time(text: str) -> dt.datetime | None:
    """A time in UTC; None where it cannot be read."""
    try:
        found = dt.datetime.fromisoformat(text)
    except ValueError:
        return None
    return found.astimezone(dt.UTC).replace(tzinfo=None) if found.tzinfo else found


def _checked(name: str, given: Mapping[str, object]) -> dict[str, str]:
    allowed = OBJECT_VERDICTS if name == OBJECT_FILE else STAMP_VERDICTS
    # One line each, whatever was pasted: what a kill leaves of a line is then never taken for a row.
    row = {column: " ".join(str(given.get(column) or "").split()) for column in COLUMNS[name]}
    row = {column: "".join(c for c in text if c.isprintable()) for column, text in row.items()}
    if row["verdict"] not in allowed:
        raise Rejection(f"{row['verdict'][:40]!r} is no verdict; choose among {', '.join(allowed)}.")
    for column, most in MAX_CHARACTERS.items():
        if len(row[column]) > most:
            raise Rejection(f"{column} has {len(row[column])} characters; at most {most} are kept.")
    if not row["object_id"] or len(row["object_id"]) > 80:
        raise Rejection("no object was named; a verdict is of one object.")
    if name == STAMP_FILE and not _names_image(row):
        raise Rejection("a verdict on a stamp names its packet (candid) and the image, science or reference.")
    if row["verdict"] == "comment" and not row["comment"]:
        raise Rejection("the comment is empty; write something, or give another verdict.")
    return {**row, "verdict_id": row["verdict_id"] or new_id(), "judged_at": row["judged_at"] or _now()}


def _now() -> str:
    return dt.datetime.now(dt.UTC).replace(tzinfo=None).isoformat(timespec="seconds") + "Z"


def _header(descriptor: int, size: int, name: str) -> list[str]:
    if size == 0:
        return list(COLUMNS[name])
    first = os.pread(descriptor, MAX_HEADER_BYTES, 0).decode("utf-8-sig", errors="replace").splitlines()[0]
    header = [column.strip().lower() for column in next(csv.reader([first]), [])]
    missing = [column for column in COLUMNS[name] if column not in header]
    if missing:
        raise Rejection(
            f"{name} has no column {', '.join(missing)}, so nothing is added to it; add the columns, or move the file away."
        )
    return header


def _line(values: list[str]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(values)
    return text.getvalue()


def _write_whole(descriptor: int, data: bytes, size: int) -> None:
    try:
        is_whole = os.write(descriptor, data) == len(data)
        if is_whole:
            os.fsync(descriptor)
    except OSError:
        os.ftruncate(descriptor, size)
        raise
    if not is_whole:
        os.ftruncate(descriptor, size)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
