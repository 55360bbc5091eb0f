"""Avro container files read within bounds: bytes in, records out. Knows nothing about ZTF.

What is read costs time and memory in proportion to its bytes, whoever wrote them; what nobody wants of a record is passed over
(``reading``). A file may be of any size: one block of it is in memory at a time. Decoding itself is fastavro's.
"""

import io
import json
import struct
import zlib
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, NamedTuple, Protocol

from needle_assets.errors import Rejection
from needle_assets.landing.avro.reading import Read, reader
from needle_assets.landing.avro.schema import Node, Wanted, beginning, parsed

MAX_FILE_BYTES = 8 * 2**20
MAX_BLOCK_BYTES = 32 * 2**20
MAX_RECORD_BYTES = MAX_FILE_BYTES
MAX_UNPACKED_RATIO = 50
FREE_UNPACKED_BYTES = 64 * 2**20
MAX_HEADER_ENTRIES = 64
MAX_SCHEMA_BYTES = 512 * 2**10

_MAGIC = b"Obj\x01"
_SYNC_BYTES = 16
# What else a file may be, by how it starts; a tar archive says it further on.
_OTHERS = {
    **dict.fromkeys((b"\x1f\x8b", b"BZh", b"\xfd7zXZ"), "compressed once more, and has to be unpacked before"),
    b"(\xb5/\xfd": "compressed with zstd, and has to be unpacked before",
    b"PK\x03\x04": "a zip archive",
    b"<": "a web page",
    **dict.fromkeys((b"{", b"["), "JSON"),
}
_TAR_MARK = (257, 262)

# What fastavro raises on bytes that do not fit their schema; the schema itself has been checked before.
DECODING_ERRORS = (EOFError, ValueError, TypeError, LookupError, OverflowError, struct.error, MemoryError, StopIteration)


class _Record(NamedTuple):
    """One record: what was wanted of it, and all of its bytes."""

    value: dict[str, Any]
    data: memoryview


def read_records(data: bytes, wanted: Wanted | None = None) -> Iterator[dict[str, Any]]:
    """
    Records of one Avro object container file, or of several that somebody wrote one behind the other.

    Parameters
    ----------
    data : bytes
        The whole file, at most 8 MiB; codecs ``null`` and ``deflate``.
    wanted : Wanted, optional
        What is read of a record; anything else may hold whatever it likes. Everything, if left out.

    Yields
    ------
    dict
        One record each, in file order. A file cut off after some records yields those and then raises.

    Raises
    ------
    Rejection
        If the bytes are not such a file, are cut off or damaged, or would cost more than their size allows.
    """
    if len(data) > MAX_FILE_BYTES:
        raise Rejection(f"the file has {len(data)} bytes, at most {MAX_FILE_BYTES} are read.", n_bytes=len(data))
    source = _Source(io.BytesIO(data))
    for header in _headers(source):
        yield from (record.value for record in _all_records(source, header, wanted))


def record_name(data: bytes) -> str:
    """What a container calls its records, with the namespace, such as ``lsst.v10_0.alert``; empty if that cannot be read."""
    try:
        given = _named(_read_header(_Source(io.BytesIO(data))).schema)
    except Rejection:
        return ""
    return given


def first_fields(data: bytes, wanted: Wanted, names: tuple[str, ...]) -> dict[str, Any]:
    """Some fields of the first record of a file that may be damaged or cut off behind them; empty where they cannot be read."""
    source = _Source(io.BytesIO(data))
    try:
        header = _read_header(source)
        source.long(), source.long()
        block = data[source.n_read : source.n_read + MAX_RECORD_BYTES]
        if header.codec == b"deflate":
            block = zlib.decompressobj(wbits=-zlib.MAX_WBITS).decompress(block, MAX_RECORD_BYTES)
        found = _head_reader(header.schema, wanted, names)(io.BytesIO(block))
    except (Rejection, zlib.error, *DECODING_ERRORS):
        return {}
    return {name: found.get(name) for name in names}


class Readable(Protocol):
    """Anything that can be read from start to end; fewer bytes than asked for come only at the end."""

    def read(self, n_bytes: int, /) -> bytes:
        """The next bytes."""


def split(file: Readable, wanted: Wanted | None = None) -> Iterator[bytes]:
    """
    Every record of a container file of any size as a container file of its own, uncompressed, in file order.

    Raises
    ------
    Rejection
        Like :func:`read_records`; the records before have been yielded.
    """
    source = _Source(file)
    for header in _headers(source):
        entries = {b"avro.schema": header.schema, b"avro.codec": b"null"}
        metadata = b"".join(_long(len(text)) + text for entry in entries.items() for text in entry)
        start = _MAGIC + _long(len(entries)) + metadata + _long(0) + header.sync + _long(1)
        for record in _all_records(source, header, wanted):
            yield start + _long(len(record.data)) + bytes(record.data) + header.sync


class _Source:
    """An open file read in exact pieces, and how much of it was read."""

    def __init__(self, file: Readable) -> None:
        self._file = file
        self._ahead = b""
        self.n_read = self.n_unpacked = 0

    def read(self, n_bytes: int) -> bytes:
        data, self._ahead = self._ahead[:n_bytes], self._ahead[n_bytes:]
        data += self._file.read(n_bytes - len(data)) if len(data) < n_bytes else b""
        self.n_read += len(data)
        if len(data) < n_bytes:
            raise self.cut_off()
        return data

    def text(self, max_bytes: int, what: str) -> bytes:
        """Bytes behind their own length."""
        length = self.long()
        if length < 0:
            raise self.cut_off()
        if length > max_bytes:
            raise Rejection(
                f"{what} claims {length} bytes, at most {max_bytes} are read at once; the file is damaged, or has to be written "
                "in smaller blocks.",
                n_bytes=length,
            )
        return self.read(length)

    def long(self) -> int:
        value = 0
        for shift in range(0, 70, 7):
            (byte,) = self.read(1)
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return (value >> 1) ^ -(value & 1)
        raise Rejection("an Avro integer is longer than 64 bits; the file is damaged.", n_bytes=self.n_read)

    def next(self, n_bytes: int) -> bytes:
        """What follows, without reading it; fewer bytes only at the end."""
        self._ahead += self._file.read(n_bytes - len(self._ahead)) if len(self._ahead) < n_bytes else b""
        return self._ahead[:n_bytes]

    def is_at_end(self) -> bool:
        """Whether nothing follows."""
        return not self.next(1)

    def cut_off(self) -> Rejection:
        n_bytes = self.n_read
        return Rejection(f"the Avro file ends early or is damaged after {n_bytes} bytes; fetch it again.", n_bytes=n_bytes)


class _Header(NamedTuple):
    schema: bytes
    codec: bytes
    sync: bytes


def _headers(source: _Source) -> Iterator[_Header]:
    """The header of each container of a file; the next is asked for when the records of the one before have been read."""
    yield _read_header(source)
    while not source.is_at_end():
        yield _read_header(source)


def _read_header(source: _Source) -> _Header:
    if source.is_at_end():
        raise Rejection("the file is empty; an Avro alert packet is needed.", n_bytes=0)
    start = source.next(_TAR_MARK[1])
    if not start.startswith(_MAGIC):
        is_tar = start[slice(*_TAR_MARK)] == b"ustar"
        known = (
            "a tar archive"
            if is_tar
            else next((kind for first, kind in _OTHERS.items() if start.lstrip().startswith(first)), None)
        )
        said = f"it is {known}; " if known else ""
        reason = f"the file does not start as an Avro container does; {said}an alert packet is needed."
        raise Rejection(reason, first_bytes=start[: len(_MAGIC)].hex())
    source.read(len(_MAGIC))
    metadata: dict[bytes, bytes] = {}
    while (count := source.long()) != 0:
        if count < 0:
            source.long()
        if abs(count) + len(metadata) > MAX_HEADER_ENTRIES:
            raise Rejection(f"the Avro header claims {abs(count)} entries, at most {MAX_HEADER_ENTRIES} are read.")
        for _ in range(abs(count)):
            key = source.text(MAX_SCHEMA_BYTES, "an entry of the Avro header")
            metadata[key] = source.text(MAX_FILE_BYTES, "an entry of the Avro header")
    return _Header(metadata.get(b"avro.schema", b""), metadata.get(b"avro.codec", b"null"), source.read(_SYNC_BYTES))


def _all_records(source: _Source, header: _Header, wanted: Wanted | None) -> Iterator[_Record]:
    read = reader_of(header.schema, wanted)
    if header.codec not in (b"null", b"deflate"):
        given = header.codec[:20]
        name = given.decode("ascii") if given.isalnum() and given.isascii() else given.hex()
        raise Rejection(
            f"the Avro codec is {name}, neither null nor deflate; repack the file with one of them.", codec=given.hex()
        )
    while not source.is_at_end() and source.next(len(_MAGIC)) != _MAGIC:
        count = source.long()
        block = source.text(MAX_BLOCK_BYTES, "a block of the Avro file")
        if source.read(_SYNC_BYTES) != header.sync:
            raise source.cut_off()
        if not 0 <= count <= source.n_read:
            raise Rejection(f"a block of {len(block)} bytes claims {count} records; the file is damaged.", n_bytes=len(block))
        if header.codec == b"deflate":
            left = min(MAX_BLOCK_BYTES, FREE_UNPACKED_BYTES + MAX_UNPACKED_RATIO * source.n_read - source.n_unpacked)
            block = _inflated(block, left)
            source.n_unpacked += len(block)
        yield from _records(memoryview(block), count, read)


def _records(block: memoryview, count: int, read: Read) -> Iterator[_Record]:
    """Records of one block. No more than the bytes a record may have are shown to its reader at once, or it could ask for all memory."""
    n_done = start = 0
    while n_done < count:
        window = io.BytesIO(block[start : start + MAX_RECORD_BYTES])
        is_cut = start + MAX_RECORD_BYTES < len(block)
        n_before, at = n_done, 0
        while n_done < count:
            try:
                value = read(window)
            except DECODING_ERRORS as error:
                if is_cut and n_done > n_before:
                    break
                raise Rejection(
                    f"the record does not fit the schema in its own file ({type(error).__name__}); the file is damaged.",
                    n_bytes=len(block),
                ) from error
            if not isinstance(value, dict):
                raise Rejection("the Avro file holds values, not records; an alert packet is needed.")
            n_done += 1
            yield _Record(value, block[start + at : start + window.tell()])
            at = window.tell()
        start += at
    if start != len(block):
        raise Rejection(f"a block holds more than the {count} records it claims; the file is damaged.", n_bytes=len(block))


def _inflated(block: bytes, max_bytes: int) -> bytes:
    inflate = zlib.decompressobj(wbits=-zlib.MAX_WBITS)
    try:
        content = inflate.decompress(block, max_bytes + 1)
    except zlib.error as error:
        raise Rejection(f"a deflate block of {len(block)} bytes is damaged.", n_bytes=len(block)) from error
    if len(content) > max_bytes:
        raise Rejection(f"{len(block)} deflated bytes unpack to more than the {max_bytes} bytes read.", n_bytes=len(block))
    if not inflate.eof:
        raise Rejection(f"a deflate block of {len(block)} bytes is cut off.", n_bytes=len(block))
    return content


def _long(value: int) -> bytes:
    """A length as Avro writes it."""
    left, out = value << 1, bytearray()
    while left >= 0x80:
        out.append(left & 0x7F | 0x80)
        left >>= 7
    return bytes([*out, left])


@lru_cache(maxsize=32)
def _named(text: bytes) -> str:
    try:
        given = json.loads(text)
    except (ValueError, RecursionError):
        return ""
    names = [given.get(key) for key in ("namespace", "name")] if isinstance(given, dict) else []
    *space, name = [text for text in names if isinstance(text, str)] or [""]
    return name if "." in name else ".".join([*space, name])


@lru_cache(maxsize=32)
def reader_of(text: bytes, wanted: Wanted | None) -> Read:
    """What reads a record of this schema, made once for each distinct text (making it takes longer than a packet)."""
    return reader(_schema(text), wanted)


@lru_cache(maxsize=32)
def _head_reader(text: bytes, wanted: Wanted, names: tuple[str, ...]) -> Read:
    """What reads the beginning of a record, up to the last of some fields."""
    return reader(beginning(_schema(text), names), wanted)


def _schema(text: bytes) -> Node:
    if len(text) > MAX_SCHEMA_BYTES:
        raise Rejection(f"the Avro schema has {len(text)} bytes, at most {MAX_SCHEMA_BYTES} are read.", n_bytes=len(text))
    try:
        return parsed(json.loads(text))
    except (ValueError, RecursionError) as error:
        raise Rejection(f"the Avro schema is not valid JSON ({type(error).__name__}).", n_bytes=len(text)) from error
