"""A landing folder as it lies: which files it holds, and the alert packets in them as bytes. Reads only; knows no table.

Small files and nightly archives look the same to the caller: packets with a path, a member and a hash. What cannot be read comes
out as :class:`Refused`, never as an exception, so that one bad file stops nothing. The catalogue and the other tables of a folder
are read by ``catalogues``.
"""

import hashlib
import os
import stat
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO, Literal, NamedTuple

from needle_assets.alerts import shown
from needle_assets.archives import read_archive
from needle_assets.avro import MAX_FILE_BYTES
from needle_assets.rejections import Rejection

Kind = Literal["catalogue", "packet", "archive", "photometry", "hosts", "unknown"]

CATALOGUE_NAME = "bts.csv"
ALERTS_FOLDER = "alerts"
MAX_DEPTH = 32

_TOP_LEVEL: dict[str, Kind] = {
    CATALOGUE_NAME: "catalogue",
    "photometry.parquet": "photometry",
    "photometry.csv": "photometry",
    "hosts.csv": "hosts",
}
_ARCHIVE_SUFFIXES = (".tar.gz", ".tgz", ".tar")
_UNFINISHED_SUFFIXES = (".tmp", ".part", ".partial", ".crdownload", "~")


class LandingFile(NamedTuple):
    """
    One file of a landing folder.

    ``path`` is relative to the folder, with forward slashes; ``problem`` says why a file or folder cannot be looked at.
    """

    path: str
    size: int
    mtime_ns: int
    kind: Kind
    problem: str | None = None


@dataclass(frozen=True)
class LandedPacket:
    """The bytes of one alert packet and where they lie; ``member`` is None for a file of its own."""

    path: str
    member: str | None
    sha256: str
    size: int
    data: bytes = field(repr=False)


@dataclass(frozen=True)
class Refused:
    """What could not be read as a packet, and why; ``member`` is None where the file as a whole is meant."""

    path: str
    member: str | None
    rejection: Rejection

    @property
    def reason(self) -> str:
        """The sentence of the rejection."""
        return self.rejection.reason

    @property
    def measured(self) -> dict[str, object]:
        """The numbers of the rejection."""
        return self.rejection.measured


def scan(folder: Path) -> Iterator[LandingFile]:
    """
    Every file below ``folder``, in no particular order.

    Packets and archives count only below ``alerts/``, catalogue, photometry and hosts only at the top. Hidden and unfinished
    files (``.x``, ``x.tmp``, ``x.part``) are unknown. A link to a file inside the folder is followed, a link that leads outside
    or to a folder is not; it and a folder that cannot be read come out as unknown with a ``problem``.
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
        names = {entry.name for entry in entries}
        for entry in entries:
            relative = prefix + entry.name
            if not entry.is_dir(follow_symlinks=False):
                yield _looked_at(entry, relative, root, names)
            elif depth < MAX_DEPTH:
                waiting.append((entry.path, relative + "/", depth + 1))
            else:
                yield _unknown(relative, f"the folder is nested more than {MAX_DEPTH} deep.")


def kind_of(path: str) -> Kind:
    """What a file of a landing folder is, from its path relative to the folder."""
    if any(part.startswith(".") for part in path.split("/")) or path.lower().endswith(_UNFINISHED_SUFFIXES):
        return "unknown"
    if not path.startswith(ALERTS_FOLDER + "/"):
        return _TOP_LEVEL.get(path, "unknown")
    if path.lower().endswith(".avro"):
        return "packet"
    return "archive" if path.lower().endswith(_ARCHIVE_SUFFIXES) else "unknown"


def read_packet_file(folder: Path, file: LandingFile) -> Iterator[LandedPacket | Refused]:
    """
    The packets of one ``packet`` or ``archive`` file as bytes, in file order; what cannot be read, as Refused.

    An archive is streamed: one member is in memory at a time and nothing is written. One that ends early gives the packets read
    so far and then one Refused for the file.
    """
    try:
        with _opened(folder, file.path) as opened:
            yield from _packets(opened, file.path)
    except OSError as error:
        yield Refused(file.path, None, Rejection(f"the file cannot be read ({error.strerror or type(error).__name__})."))
    except Rejection as why:
        yield Refused(file.path, None, why)


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


def _looked_at(entry: os.DirEntry[str], relative: str, root: str, names: set[str]) -> LandingFile:
    if not relative.isprintable():
        told_apart_by = hashlib.sha256(os.fsencode(relative)).hexdigest()[:8]
        return _unknown(
            f"{shown(relative, 200)} {told_apart_by}", "the name has characters that cannot be written; rename the file."
        )
    try:
        if entry.is_symlink():
            target = os.path.realpath(entry.path)
            if not target.startswith(root + os.sep) or not Path(target).is_file():
                return _unknown(
                    relative, "the link does not lead to a file inside the landing folder; put the file itself there."
                )
        found = entry.stat()
    except OSError as error:
        return _unknown(relative, f"the file cannot be looked at ({error.strerror}).")
    if not stat.S_ISREG(found.st_mode):
        return _unknown(relative, "this is not a regular file.")
    kind = kind_of(relative)
    if relative == "photometry.csv" and "photometry.parquet" in names:
        return LandingFile(
            relative, found.st_size, found.st_mtime_ns, "unknown", "photometry.parquet lies beside it and is read."
        )
    return LandingFile(relative, found.st_size, found.st_mtime_ns, kind)


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


def _packets(opened: BinaryIO, path: str) -> Iterator[LandedPacket | Refused]:
    return _archived(opened, path) if kind_of(path) == "archive" else _single(opened, path)


def _single(opened: BinaryIO, path: str) -> Iterator[LandedPacket]:
    data = opened.read(MAX_FILE_BYTES + 1)
    if len(data) > MAX_FILE_BYTES:
        raise Rejection(
            f"the file is larger than {MAX_FILE_BYTES} bytes, no alert packet is.", n_bytes=os.fstat(opened.fileno()).st_size
        )
    yield _landed(path, None, data)


def _archived(opened: BinaryIO, path: str) -> Iterator[LandedPacket | Refused]:
    for member in read_archive(opened):
        label = member.name if member.name.isprintable() and len(member.name) < 256 else shown(member.name, 100)
        if member.data is None or member.refusal is not None:
            yield Refused(path, label, member.refusal or Rejection("the member has no data."))
        elif not member.name.lower().endswith(".avro"):
            yield Refused(path, label, Rejection("the member's name does not end in .avro; only alert packets are read."))
        else:
            yield _landed(path, label, member.data)


def _landed(path: str, member: str | None, data: bytes) -> LandedPacket:
    return LandedPacket(path, member, hashlib.sha256(data).hexdigest(), len(data), data)
