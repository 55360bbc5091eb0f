"""A landing folder as it lies: which files it holds, and the alert packets in them as bytes. Reads only; knows no table.

Small files and nightly archives look the same to the caller: packets with a path, a member and a hash. What cannot be read comes
out as a :class:`Rejection` that says where, and is not raised, so that one bad file stops nothing. The catalogue and the other
CSV and Parquet files are read by ``catalogues``.
"""

import hashlib
import io
import os
import stat
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO, NamedTuple

from needle_assets.errors import Rejection
from needle_assets.landing.archives import Unpacked, read_archive
from needle_assets.landing.avro.containers import MAX_FILE_BYTES, split
from needle_assets.landing.names import (
    KIND_OF_NAME,
    Kind,
    is_explaining,
    is_packet_name,
    is_passed_over,
    kind_of,
    why_not_read,
)
from needle_assets.landing.packets import WANTED
from needle_assets.landing.values import shown

MAX_DEPTH = 32


class LandingFile(NamedTuple):
    """
    One file of a landing folder.

    ``path`` is relative to the folder, with forward slashes; ``problem`` says why a file or folder cannot be looked at, ``notice``
    why a file that is nothing wrong with is not read and what was expected.
    """

    path: str
    size: int
    mtime_ns: int
    kind: Kind
    problem: str | None = None
    notice: str | None = None


@dataclass(frozen=True)
class LandedPacket:
    """The bytes of one alert packet and where they lie; ``member`` is None for a file of its own."""

    path: str
    member: str | None
    sha256: str
    size: int
    data: bytes = field(repr=False)


def scan(folder: Path) -> Iterator[LandingFile]:
    """
    Every file below ``folder``, in no particular order.

    Packets and archives count at the top and below ``alerts/``, other files only at the top, one of each kind. Hidden and unfinished
    files (``.x``, ``x.tmp``, ``x.part``) are unknown. A link to a file inside the folder is followed unless it is a packet that is
    read itself; a link that leads outside or to a folder is not. It and a folder that cannot be read come out as unknown with a
    ``problem``, other files that are not read with a ``notice``.
    """
    root = os.path.realpath(folder)
    waiting = [(root, "", 0)]
    while waiting:
        path, prefix, depth = waiting.pop()
        try:
            entries = list(os.scandir(path))
        except OSError as error:
            yield _unknown(prefix, f"the folder cannot be read ({error.strerror}); give the reader access to it.")
            continue
        chosen = _files_read([entry.name for entry in entries]) if not prefix else {}
        for entry in entries:
            relative = prefix + entry.name
            if not entry.is_dir(follow_symlinks=False):
                yield _told(_looked_at(entry, relative, root), chosen)
            elif depth < MAX_DEPTH:
                waiting.append((entry.path, relative + "/", depth + 1))
            else:
                yield _unknown(relative, f"the folder is nested more than {MAX_DEPTH} deep.")


def catalogue_in(folder: Path) -> Path | None:
    """The catalogue of a landing folder, whatever the case of its name; None if there is none."""
    try:
        names = [entry.name for entry in os.scandir(folder) if entry.is_file()]
    except OSError:
        return None
    name = _files_read(names).get("catalogue")
    return folder / name if name else None


def read_packet_file(folder: Path, file: LandingFile) -> Iterator[LandedPacket | Rejection]:
    """
    The packets of one ``packet`` or ``archive`` file as bytes, in file order; what cannot be read, as a Rejection with path and member.

    An archive is streamed: one member is in memory at a time and nothing is written. One that ends early gives the packets read
    so far and then one Rejection of the file, without a member.
    """
    try:
        with _opened(folder, file.path) as opened:
            yield from _packets(opened, file.path)
    except OSError as error:
        reason = f"the file cannot be read ({error.strerror or type(error).__name__}); it is tried again by the next refresh."
        why = Rejection(reason, path=file.path)
        why.is_passing = True
        yield why
    except Rejection as why:
        yield why.also(path=file.path)


def read_members(folder: Path, path: str, members: Collection[str | None] | None) -> Iterator[LandedPacket]:
    """
    The named members of one file again, in file order and one pass; all of them for None.

    A file of its own has the member None; an empty text means the same.

    Raises
    ------
    FileNotFoundError
        If the file or a named member is no longer there or no longer readable, so that nobody takes its absence for its content.
    OSError
        If the file cannot be read.
    """
    wanted = None if members is None else {member or None for member in members}
    found: set[str | None] = set()
    if wanted == found:
        return
    try:
        with _opened(folder, path) as opened:
            for result in _packets(opened, path):
                if isinstance(result, LandedPacket) and (wanted is None or result.member in wanted):
                    found.add(result.member)
                    yield result
                if found == wanted:
                    return
    except Rejection as why:
        raise FileNotFoundError(f"{path}: {why.reason}") from why
    if wanted is not None:
        raise FileNotFoundError(f"{path} no longer holds {len(wanted - found)} of the packets that were read from it before.")


def _unknown(path: str, problem: str) -> LandingFile:
    return LandingFile(path.rstrip("/") or ".", 0, 0, "unknown", problem)


def _files_read(names: Collection[str]) -> dict[Kind, str]:
    """The file that is read of each kind of CSV or Parquet file."""
    order = list(KIND_OF_NAME)
    known = sorted(
        (name for name in names if name.lower() in KIND_OF_NAME), key=lambda n: (order.index(n.lower()), n != n.lower(), n)
    )
    return {KIND_OF_NAME[name.lower()]: name for name in reversed(known)}


def _told(file: LandingFile, chosen: dict[Kind, str]) -> LandingFile:
    """The file with a notice, where it is not read though somebody may think so."""
    used = chosen.get(file.kind)
    if used and used != file.path:
        return file._replace(kind="unknown", notice=f"not read: {used} lies beside it and is read.")
    if file.kind != "unknown" or file.problem or file.notice:
        return file
    return file._replace(notice=why_not_read(file.path))


def _looked_at(entry: os.DirEntry[str], relative: str, root: str) -> LandingFile:
    if not relative.isprintable():
        told_apart_by = hashlib.sha256(os.fsencode(relative)).hexdigest()[:8]
        return _unknown(
            f"{shown(relative, 200)} {told_apart_by}", "the name has characters that cannot be written; rename the file."
        )
    notice = None
    try:
        if entry.is_symlink():
            target = os.path.realpath(entry.path)
            if not target.startswith(root + os.sep) or not Path(target).is_file():
                return _unknown(
                    relative,
                    "the link does not lead to a file inside the landing folder; put the file itself there, or for a folder of files "
                    "the folder itself.",
                )
            notice = _read_itself(os.path.relpath(target, root))
        found = entry.stat()
    except OSError as error:
        return _unknown(relative, f"the file cannot be looked at ({error.strerror}).")
    if not stat.S_ISREG(found.st_mode):
        return _unknown(relative, "this is not a regular file.")
    kind = "unknown" if notice else kind_of(relative)
    return LandingFile(relative, found.st_size, found.st_mtime_ns, kind, None, notice)


def _read_itself(target: str) -> str | None:
    """Why a link to a packet or an archive of the same folder is not read as well."""
    is_read = kind_of(target) in ("packet", "archive")
    return f"not read: it is a link to {target}, which is read itself." if is_read and target.isprintable() else None


def _opened(folder: Path, path: str) -> BinaryIO:
    """The file open for reading, if it is a regular file that lies inside the folder (links resolved)."""
    root = _resolved(str(folder))
    target = os.path.realpath(os.path.join(root, path))  # noqa: PTH118 - Path would not keep an odd name as it is
    if not target.startswith(root + os.sep):
        raise Rejection("the path leads out of the landing folder; it is not read.")
    descriptor = os.open(target, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise Rejection("this is not a regular file; it is not read.")
    return os.fdopen(descriptor, "rb")


@lru_cache(maxsize=16)
def _resolved(folder: str) -> str:
    return os.path.realpath(folder)


def _packets(opened: BinaryIO, path: str) -> Iterator[LandedPacket | Rejection]:
    return _archived(opened, path) if kind_of(path) == "archive" else _single(opened, path)


def _single(opened: BinaryIO, path: str) -> Iterator[LandedPacket]:
    yield from _whole_or_split(Unpacked(opened, "file"), path, None)


def _archived(opened: BinaryIO, path: str) -> Iterator[LandedPacket | Rejection]:
    for member in read_archive(opened):
        label = member.name if member.name.isprintable() and len(member.name) < 256 else shown(member.name, 100)
        if member.data is None or member.refusal is not None:
            yield (member.refusal or Rejection("the member has no data.")).also(path=path, member=label)
        elif is_passed_over(member.name) or (is_explaining(member.name) and not is_packet_name(member.name)):
            continue
        elif not is_packet_name(member.name):
            reason = "the member's name does not end in .avro; only alert packets are read."
            yield Rejection(reason, path=path, member=label)
        else:
            yield from _of_member(member.data, path, label)


def _of_member(data: bytes, path: str, label: str) -> Iterator[LandedPacket | Rejection]:
    try:
        yield from _whole_or_split(Unpacked(io.BytesIO(data), "member"), path, label)
    except Rejection as why:
        yield why.also(path=path, member=label)


def _whole_or_split(content: Unpacked, path: str, member: str | None) -> Iterator[LandedPacket]:
    """The content as one packet file; where it is larger than any one packet, its packets one by one, numbered."""
    data = content.read(MAX_FILE_BYTES + 1)
    if len(data) <= MAX_FILE_BYTES:
        yield _landed(path, member, data)
        return
    for number, packet in enumerate(split(_Rejoined(data, content), WANTED), start=1):
        yield _landed(path, f"{member + ' ' if member else ''}packet {number}", packet)


class _Rejoined:
    """What was read of a file already, and then the rest of it."""

    def __init__(self, start: bytes, rest: Unpacked) -> None:
        self._start, self._rest = io.BytesIO(start), rest

    def read(self, n_bytes: int) -> bytes:
        data = self._start.read(n_bytes)
        return data if len(data) == n_bytes else data + self._rest.read(n_bytes - len(data))


def _landed(path: str, member: str | None, data: bytes) -> LandedPacket:
    return LandedPacket(path, member, hashlib.sha256(data).hexdigest(), len(data), data)
