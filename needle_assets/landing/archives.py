"""Tar archives read as a stream within bounds: an open file in, members out as bytes. Nothing is ever written to disk.

A member's name is only a label. Python's ``tarfile`` parses the headers; the walk is ours because ``tarfile`` keeps every header
it has seen, follows chains of extension headers and inflates whatever it is told to, and archives come from strangers.
"""

import bz2
import gzip
import lzma
import tarfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

from needle_assets.errors import Rejection

MAX_MEMBER_BYTES = 64 * 2**20
MAX_NAME_CHARACTERS = 255
MAX_UNPACKED_RATIO = 50
FREE_UNPACKED_BYTES = 64 * 2**20

_BLOCK = tarfile.BLOCKSIZE
_CHUNK = 2**18
_MAX_XZ_BYTES = 128 * 2**20
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
    Members of a ``.tar`` archive, plain or compressed by gzip, bzip2 or xz, in order, in one pass and with one member in memory at a time.

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


class Unpacked:
    """
    Reads a file as it unpacks, plain or compressed by gzip, bzip2 or xz, and stops where it unpacks to far more than it is.

    ``read`` gives fewer bytes than asked for only at the end, and raises Rejection, with ``what`` the file is, where it is damaged;
    OSError where the system cannot read it.
    """

    def __init__(self, file: BinaryIO, what: str) -> None:
        self._raw, self._what = file, what
        start = file.read(6)
        file.seek(0)
        self._file: BinaryIO | _Inflated = file
        if start.startswith(b"\x1f\x8b"):
            self._file = gzip.GzipFile(fileobj=file, mode="rb")  # type: ignore[assignment]
        elif start.startswith(b"BZh"):
            self._file = _Inflated(file, bz2.BZ2Decompressor)
        elif start == b"\xfd7zXZ\0":
            self._file = _Inflated(file, lambda: lzma.LZMADecompressor(memlimit=_MAX_XZ_BYTES))
        self.n_read = 0

    def read(self, n_bytes: int) -> bytes:
        """The next bytes as they unpack."""
        try:
            data = self._file.read(n_bytes)
        except EOFError as error:
            raise self.ends_early() from error
        except (OSError, zlib.error, lzma.LZMAError, ValueError) as error:
            if isinstance(error, OSError) and error.errno:
                raise  # the disk or the mount, not the file: it says nothing of what the file holds
            raise Rejection(f"the {self._what} is damaged ({type(error).__name__}); what comes before is used.") from error
        self.n_read += len(data)
        if self.n_read > FREE_UNPACKED_BYTES + MAX_UNPACKED_RATIO * self._raw.tell():
            raise Rejection(
                f"the {self._what} unpacks to more than {MAX_UNPACKED_RATIO} times its size; the rest is not read.",
                n_bytes_read=self.n_read,
            )
        return data

    def ends_early(self) -> Rejection:
        """What to say of a file that lost its end."""
        return Rejection(f"the {self._what} ends early; what comes before is used, fetch it again.", n_bytes_read=self.n_read)


class _Inflated:
    """A bzip2 or xz file, of one or several streams, unpacked no further than asked for."""

    def __init__(self, file: BinaryIO, make: Callable[[], bz2.BZ2Decompressor | lzma.LZMADecompressor]) -> None:
        self._file, self._make, self._inflate = file, make, make()

    def read(self, n_bytes: int) -> bytes:
        pieces: list[bytes] = []
        while n_bytes > 0 and (piece := self._piece(n_bytes)):
            pieces.append(piece)
            n_bytes -= len(piece)
        return b"".join(pieces)

    def _piece(self, n_bytes: int) -> bytes:
        """Some of what comes next; nothing at the end of the last stream. Raises EOFError if that lost its end."""
        while True:
            packed = b""
            if self._inflate.eof:
                packed = self._inflate.unused_data.lstrip(b"\0") or self._file.read(_CHUNK).lstrip(b"\0")
                if not packed:
                    return b""
                self._inflate = self._make()
            elif self._inflate.needs_input:
                packed = self._file.read(_CHUNK)
                if not packed:
                    raise EOFError
            if piece := self._inflate.decompress(packed, n_bytes):
                return piece


class _Stream:
    """An archive as it unpacks, in exact pieces."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = Unpacked(file, "archive")

    def read(self, n_bytes: int) -> bytes:
        data = self._file.read(n_bytes)
        if len(data) < n_bytes:
            raise self._file.ends_early()
        return data

    def finish(self) -> None:
        """Read to the end, where gzip keeps its checksum, and refuse what follows the end mark."""
        while rest := self._file.read(_CHUNK):
            if rest.count(0) < len(rest):
                raise Rejection("the archive goes on after its end mark; the members before are used, unpack and repack it.")

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
