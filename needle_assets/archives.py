"""Tar archives read as a stream within bounds: an open file in, members out as bytes. Nothing is ever written to disk.

A member's name is only a label. Python's ``tarfile`` parses the headers; the walk is ours because ``tarfile`` keeps every header
it has seen, follows chains of extension headers and inflates whatever it is told to, and archives come from strangers.
"""

import gzip
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from needle_assets.rejections import Rejection

MAX_MEMBER_BYTES = 8 * 2**20
MAX_NAME_CHARACTERS = 255
MAX_UNPACKED_RATIO = 50
FREE_UNPACKED_BYTES = 64 * 2**20

_BLOCK = tarfile.BLOCKSIZE
_CHUNK = 2**18
_MAX_EXTENSION_BYTES = 2**16
_REGULAR = (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.CONTTYPE)
_KINDS = {
    tarfile.DIRTYPE: "a directory with content",
    tarfile.LNKTYPE: "a hard link",
    tarfile.SYMTYPE: "a symbolic link",
    tarfile.CHRTYPE: "a device",
    tarfile.BLKTYPE: "a device",
    tarfile.FIFOTYPE: "a pipe",
}
_EXTENSIONS = (
    *(tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK),
    *(tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE),
)
_WITHOUT_CONTENT = (tarfile.LNKTYPE, tarfile.SYMTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE)


@dataclass(frozen=True)
class Member:
    """One regular file of an archive: its name as a label, and its bytes; ``data`` is None where ``refusal`` says why."""

    name: str
    data: bytes | None
    refusal: Rejection | None = None


def read_archive(file: BinaryIO) -> Iterator[Member]:
    """
    Members of a ``.tar`` or ``.tar.gz`` archive in order, in one pass and with one member in memory at a time.

    Directories are passed over. Links, devices, names that lead elsewhere, repeated names and oversized members come without data
    and with a refusal.

    Raises
    ------
    Rejection
        Where the archive is cut off, damaged or unpacks to more than its size allows; the members before have been yielded.
    """
    stream = _Stream(file)
    names: set[str] = set()
    long_name: str | None = None
    while (header := _next_header(stream)) is not None:
        if header.type in _EXTENSIONS:
            content = _extension(stream, header)
            long_name = _extended_name(header.type, content) or long_name
            continue
        name, long_name = long_name or header.name, None
        if header.type == tarfile.DIRTYPE and header.size == 0:
            continue
        refusal = _refusal(name, header) or _repeated(name, names)
        names.add(name)
        if refusal:
            stream.skip(_padded(header.size) if header.type not in _WITHOUT_CONTENT else 0)
            yield Member(name, None, refusal)
        else:
            data = stream.read(header.size)
            stream.skip(_padded(header.size) - header.size)
            yield Member(name, data)


class _Stream:
    """Reads a plain or gzipped file, exact counts only, and stops where it unpacks to far more than it is."""

    def __init__(self, file: BinaryIO) -> None:
        self._raw = file
        is_gzip = file.read(2) == b"\x1f\x8b"
        file.seek(0)
        self._file = gzip.GzipFile(fileobj=file, mode="rb") if is_gzip else file
        self._n_read = 0

    def read(self, n_bytes: int) -> bytes:
        data = self._read_up_to(n_bytes)
        if len(data) < n_bytes:
            raise self._ends_early()
        return data

    def finish(self) -> None:
        """Read to the end, where gzip keeps its checksum, and refuse what follows the end mark."""
        while rest := self._read_up_to(_CHUNK):
            if rest.count(0) < len(rest):
                raise Rejection("the archive goes on after its end mark; the members before are used, unpack and repack it.")

    def _ends_early(self) -> Rejection:
        return Rejection("the archive ends early; the members before are used, fetch it again.", n_bytes_read=self._n_read)

    def _read_up_to(self, n_bytes: int) -> bytes:
        try:
            data = self._file.read(n_bytes)
        except EOFError as error:
            raise self._ends_early() from error
        except (OSError, zlib.error) as error:
            raise Rejection(f"the archive is damaged ({type(error).__name__}); the members before are used.") from error
        self._n_read += len(data)
        if self._n_read > FREE_UNPACKED_BYTES + MAX_UNPACKED_RATIO * self._raw.tell():
            raise Rejection(
                f"the archive unpacks to more than {MAX_UNPACKED_RATIO} times its size; the rest is not read.",
                n_bytes_read=self._n_read,
            )
        return data

    def skip(self, n_bytes: int) -> None:
        for start in range(0, n_bytes, _CHUNK):
            self.read(min(_CHUNK, n_bytes - start))


def _next_header(stream: _Stream) -> tarfile.TarInfo | None:
    """The next header, or None at the end mark, a block of zeros; an archive without one has lost its end."""
    block = stream.read(_BLOCK)
    if block.count(0) == _BLOCK:
        stream.finish()
        return None
    try:
        header = tarfile.TarInfo.frombuf(block, "utf-8", "backslashreplace")
    except (tarfile.HeaderError, ValueError, OverflowError) as error:
        raise Rejection("the archive is damaged: a header cannot be read; the members before are used.") from error
    if header.size < 0:
        raise Rejection("the archive is damaged: a member has a negative size; the members before are used.")
    return header


def _extension(stream: _Stream, header: tarfile.TarInfo) -> bytes:
    if header.size > _MAX_EXTENSION_BYTES:
        raise Rejection(f"the archive has an extension header of {header.size} bytes; the members before are used.")
    return stream.read(_padded(header.size))[: header.size]


def _extended_name(kind: bytes, content: bytes) -> str | None:
    if kind == tarfile.GNUTYPE_LONGNAME:
        return content.rstrip(b"\0").decode("utf-8", "backslashreplace")
    if kind == tarfile.GNUTYPE_LONGLINK:
        return None
    path = _pax_records(content).get(b"path")
    return path.decode("utf-8", "backslashreplace") if path is not None and kind != tarfile.XGLTYPE else None


def _pax_records(content: bytes) -> dict[bytes, bytes]:
    """Records such as ``27 path=alerts/123.avro``, each with its own length in front and a newline behind."""
    records = {}
    while content:
        digits = content.partition(b" ")[0]
        length = int(digits) if digits.isdigit() and len(digits) < 8 else 0
        record, content = content[:length], content[length:]
        key, is_pair, value = record[len(digits) + 1 : -1].partition(b"=")
        if not is_pair or not record.endswith(b"\n") or len(record) < length:
            raise Rejection("the archive is damaged: an extension header cannot be read; the members before are used.")
        records[key] = value
    return records


def _refusal(name: str, header: tarfile.TarInfo) -> Rejection | None:
    if header.type not in _REGULAR:
        return Rejection(f"the member is {_KINDS.get(header.type, 'not a regular file')}; only regular files are read.")
    parts = name.replace("\\", "/").split("/")
    if name.startswith(("/", "\\")) or ".." in parts or ":" in parts[0]:
        return Rejection("the member's name leads out of the archive; only names below it are read.")
    if not name or len(name) > MAX_NAME_CHARACTERS or not name.isprintable():
        return Rejection(f"the member's name is empty, unprintable or longer than {MAX_NAME_CHARACTERS} characters.")
    if header.size > MAX_MEMBER_BYTES:
        return Rejection(f"the member has {header.size} bytes, at most {MAX_MEMBER_BYTES} are read.", n_bytes=header.size)
    return None


def _repeated(name: str, names: set[str]) -> Rejection | None:
    return Rejection("the archive has this name twice; the first is used.") if name in names else None


def _padded(size: int) -> int:
    return -(-size // _BLOCK) * _BLOCK
