"""Avro container files read within bounds: bytes in, records out. Knows nothing about ZTF.

The schema inside a file is written by whoever sent it, so it is rebuilt from the few keys that decoding needs, and refused where
it could make a small file expensive: recursion, items of no width, records of a few bytes that repeat a million times. What is
left costs time and memory in proportion to the bytes read. Decoding itself is fastavro's.
"""

import io
import json
import struct
import zlib
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import fastavro

from needle_assets.rejections import Rejection

MAX_FILE_BYTES = 8 * 2**20
MAX_HEADER_ENTRIES = 64
MAX_SCHEMA_BYTES = 512 * 2**10
MAX_SCHEMA_NODES = 4000
MAX_SCHEMA_DEPTH = 24
MIN_REPEATED_RECORD_BYTES = 16

_MAGIC = b"Obj\x01"
_SYNC_BYTES = 16
_PRIMITIVE_WIDTHS = {"null": 0, "boolean": 1, "int": 1, "long": 1, "float": 4, "double": 8, "bytes": 1, "string": 1}

# What fastavro raises on bytes that do not fit their schema; the schema itself has been checked before.
_DECODING_ERRORS = (EOFError, ValueError, TypeError, LookupError, OverflowError, struct.error, MemoryError, StopIteration)


def read_records(data: bytes) -> Iterator[dict[str, Any]]:
    """
    Records of one Avro object container file.

    Parameters
    ----------
    data : bytes
        The whole file; codecs ``null`` and ``deflate``.

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
    header, sync, start = _read_header(data)
    schema = _decodable_schema(header.get("avro.schema", b""))
    codec = header.get("avro.codec", b"null")
    if codec not in (b"null", b"deflate"):
        raise Rejection("the Avro codec is neither null nor deflate; repack the file with one of them.", codec=codec[:20].hex())
    n_left = MAX_FILE_BYTES
    for n_records, block in _blocks(data, sync, start):
        content = block if codec == b"null" else _inflated(block, n_left)
        n_left -= len(content)
        yield from _records(content, n_records, schema)


def _read_header(data: bytes) -> tuple[dict[str, bytes], bytes, int]:
    if not data:
        raise Rejection("the file is empty; an Avro alert packet is needed.", n_bytes=0)
    if data[:4] != _MAGIC:
        reason = "the file does not start as an Avro container does; an alert packet is needed."
        raise Rejection(reason, n_bytes=len(data), first_bytes=data[:4].hex())
    metadata: dict[str, bytes] = {}
    position = 4
    while True:
        count, position = _read_long(data, position)
        if count == 0:
            break
        if count < 0:
            _, position = _read_long(data, position)
        if abs(count) + len(metadata) > MAX_HEADER_ENTRIES:
            raise Rejection(f"the Avro header claims {abs(count)} entries, at most {MAX_HEADER_ENTRIES} are read.")
        for _ in range(abs(count)):
            key, position = _read_bytes(data, position)
            value, position = _read_bytes(data, position)
            metadata[key.decode("utf-8", "replace")] = value
    sync = data[position : position + _SYNC_BYTES]
    if len(sync) < _SYNC_BYTES:
        raise _cut_off(data)
    return metadata, sync, position + _SYNC_BYTES


def _blocks(data: bytes, sync: bytes, position: int) -> Iterator[tuple[int, bytes]]:
    while position < len(data):
        count, position = _read_long(data, position)
        block, position = _read_bytes(data, position)
        if data[position : position + _SYNC_BYTES] != sync:
            raise _cut_off(data)
        position += _SYNC_BYTES
        if not 0 <= count <= len(data):
            raise Rejection(f"a block of {len(block)} bytes claims {count} records; the file is damaged.", n_bytes=len(data))
        yield count, block


def _records(block: bytes, count: int, schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    stream = io.BytesIO(block)
    for _ in range(count):
        try:
            record = fastavro.schemaless_reader(stream, schema, None)
        except _DECODING_ERRORS as error:
            raise Rejection(
                f"the record does not fit the schema in its own file ({type(error).__name__}); the file is damaged.",
                n_bytes=len(block),
            ) from error
        if not isinstance(record, dict):
            raise Rejection("the Avro file holds values, not records; an alert packet is needed.")
        yield record
    if stream.tell() != len(block):
        raise Rejection(f"a block holds more than the {count} records it claims; the file is damaged.", n_bytes=len(block))


def _inflated(block: bytes, max_bytes: int) -> bytes:
    inflate = zlib.decompressobj(wbits=-zlib.MAX_WBITS)
    try:
        content = inflate.decompress(block, max_bytes + 1)
    except zlib.error as error:
        raise Rejection(f"a deflate block of {len(block)} bytes is damaged.", n_bytes=len(block)) from error
    if len(content) > max_bytes:
        raise Rejection(f"{len(block)} deflated bytes unpack to more than the {MAX_FILE_BYTES} bytes read.", n_bytes=len(block))
    if not inflate.eof:
        raise Rejection(f"a deflate block of {len(block)} bytes is cut off.", n_bytes=len(block))
    return content


def _read_long(data: bytes, position: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if position >= len(data):
            raise _cut_off(data)
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return (value >> 1) ^ -(value & 1), position
    raise Rejection("an Avro integer is longer than 64 bits; the file is damaged.", n_bytes=len(data))


def _read_bytes(data: bytes, position: int) -> tuple[bytes, int]:
    length, position = _read_long(data, position)
    if length < 0 or position + length > len(data):
        raise _cut_off(data)
    return data[position : position + length], position + length


def _cut_off(data: bytes) -> Rejection:
    return Rejection(f"the Avro file ends early or is damaged after {len(data)} bytes; fetch it again.", n_bytes=len(data))


@lru_cache(maxsize=32)
def _decodable_schema(text: bytes) -> dict[str, Any]:
    """The parsed schema, made once for each distinct text (fastavro would take longer over it than over the packet)."""
    if len(text) > MAX_SCHEMA_BYTES:
        raise Rejection(f"the Avro schema has {len(text)} bytes, at most {MAX_SCHEMA_BYTES} are read.", n_bytes=len(text))
    try:
        checked = _SchemaCheck().rebuilt(json.loads(text), "", depth=0, is_repeated=False)
        parsed = fastavro.parse_schema(checked[0])
    except (ValueError, RecursionError) as error:
        raise Rejection(f"the Avro schema is not valid JSON ({type(error).__name__}).", n_bytes=len(text)) from error
    except Rejection:
        raise
    except Exception as error:
        raise Rejection(f"the Avro schema cannot be used ({type(error).__name__}).", n_bytes=len(text)) from error
    return parsed  # type: ignore[return-value]


class _SchemaCheck:
    """Rebuilds a schema from known keys and adds up, for each type, the fewest bytes a value takes."""

    def __init__(self) -> None:
        self.widths: dict[str, tuple[int, int]] = {}
        self.record_names: set[str] = set()
        self.open_names: set[str] = set()
        self.n_nodes = 0

    def rebuilt(self, schema: Any, namespace: str, *, depth: int, is_repeated: bool) -> tuple[Any, int]:
        """The schema with only the keys that decoding needs, and its least width [bytes]."""
        self._count(1)
        if depth > MAX_SCHEMA_DEPTH:
            raise Rejection(f"the Avro schema is nested more than {MAX_SCHEMA_DEPTH} deep.")
        if isinstance(schema, str):
            return self._named(schema, namespace, is_repeated)
        if isinstance(schema, list):
            return self._union(schema, namespace, depth, is_repeated)
        if not isinstance(schema, dict):
            raise Rejection(f"the Avro schema holds {type(schema).__name__} where a type is needed.")
        kind = schema.get("type")
        if kind in ("record", "enum", "fixed"):
            return self._definition(schema, namespace, depth, is_repeated)
        if kind == "array":
            items, width = self.rebuilt(schema.get("items"), namespace, depth=depth + 1, is_repeated=True)
            if width == 0 or (isinstance(items, dict) and items["type"] == "array"):
                raise Rejection("the Avro schema has an array whose items take no bytes or are arrays.")
            return {"type": "array", "items": items}, 1
        if kind == "map":
            raise Rejection("the Avro schema has a map; ZTF packets have none.")
        return self.rebuilt(kind, namespace, depth=depth + 1, is_repeated=is_repeated)

    def _count(self, n_nodes: int) -> None:
        self.n_nodes += n_nodes
        if self.n_nodes > MAX_SCHEMA_NODES:
            raise Rejection(f"the Avro schema has more than {MAX_SCHEMA_NODES} parts, named types counted where they are used.")

    def _named(self, name: str, namespace: str, is_repeated: bool) -> tuple[Any, int]:
        if name in _PRIMITIVE_WIDTHS:
            return name, _PRIMITIVE_WIDTHS[name]
        full_name = name if "." in name or not namespace else f"{namespace}.{name}"
        if full_name in self.open_names:
            raise Rejection("the Avro schema contains itself; ZTF packets do not.")
        if full_name not in self.widths:
            raise Rejection("the Avro schema uses a type that it does not define before.")
        width, n_nodes = self.widths[full_name]
        self._count(n_nodes)
        if full_name in self.record_names:
            _check_repeated(width, is_repeated)
        return full_name, width

    def _union(self, branches: list[Any], namespace: str, depth: int, is_repeated: bool) -> tuple[Any, int]:
        built = [self.rebuilt(branch, namespace, depth=depth + 1, is_repeated=is_repeated) for branch in branches]
        if not built or any(isinstance(branch, list) for branch, _ in built):
            raise Rejection("the Avro schema has an empty union or a union of unions.")
        return [branch for branch, _ in built], 1 + min(width for _, width in built)

    def _definition(self, schema: dict[str, Any], namespace: str, depth: int, is_repeated: bool) -> tuple[Any, int]:
        name, space = _full_name(schema, namespace)
        n_before = self.n_nodes
        if name in self.open_names or name in self.widths:
            raise Rejection("the Avro schema defines one name twice.")
        self.open_names.add(name)
        if schema["type"] == "record":
            built, width = self._record(schema, name, space, depth, is_repeated)
        elif schema["type"] == "enum":
            built, width = {"type": "enum", "name": name, "symbols": schema.get("symbols")}, 1
        else:
            width = schema.get("size", 0)
            if type(width) is not int or not 0 < width <= MAX_FILE_BYTES:
                raise Rejection("the Avro schema has a fixed type without a usable size.")
            built = {"type": "fixed", "name": name, "size": width}
        self.open_names.discard(name)
        self.widths[name] = (width, self.n_nodes - n_before)
        return built, width

    def _record(self, schema: dict[str, Any], name: str, space: str, depth: int, is_repeated: bool) -> tuple[Any, int]:
        given = schema.get("fields")
        if not isinstance(given, list):
            raise Rejection("the Avro schema has a record without a list of fields.")
        fields, width = [], 0
        for field in given:
            if not isinstance(field, dict) or not isinstance(field.get("name"), str):
                raise Rejection("the Avro schema has a field without a name.")
            built, least = self.rebuilt(field.get("type"), space, depth=depth + 1, is_repeated=is_repeated)
            if least == 0:
                raise Rejection("the Avro schema has a field that takes no bytes.")
            fields.append({"name": field["name"], "type": built})
            width += least
        _check_repeated(width, is_repeated)
        self.record_names.add(name)
        return {"type": "record", "name": name, "fields": fields}, width


def _check_repeated(width: int, is_repeated: bool) -> None:
    if is_repeated and width < MIN_REPEATED_RECORD_BYTES:
        raise Rejection(f"the Avro schema repeats a record of {width} bytes, at least {MIN_REPEATED_RECORD_BYTES} are needed.")


def _full_name(schema: dict[str, Any], namespace: str) -> tuple[str, str]:
    name = schema.get("name")
    if not isinstance(name, str) or not name:
        raise Rejection("the Avro schema has a named type without a name.")
    if "." in name:
        return name, name.rpartition(".")[0]
    space = schema.get("namespace", namespace)
    space = space if isinstance(space, str) else namespace
    return (f"{space}.{name}" if space else name), space
