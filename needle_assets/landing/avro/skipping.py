"""Values that nobody wants, stepped over by their lengths; and the few parts of Avro's encoding that this takes."""

import io
import struct
from collections.abc import Iterator
from typing import Any

from needle_assets.landing.avro.schema import Node

MAX_SKIP_DEPTH = 100


def skip(node: Node, stream: io.BytesIO, depth: int = 0) -> None:
    """Step over one value. Raises EOFError where it goes on beyond the end, ValueError where lengths are impossible."""
    if depth > MAX_SKIP_DEPTH:
        raise ValueError("nested too deep")
    if node.fixed is not None:
        _advance(stream, node.fixed)
    elif node.kind in ("int", "long", "enum"):
        _long(stream)
    elif node.kind in ("bytes", "string"):
        _advance(stream, _long(stream))
    elif node.kind == "record":
        for inner in node.inner:
            skip(inner, stream, depth + 1)
    elif node.kind == "union":
        skip(next_branch(node.inner, stream), stream, depth + 1)
    else:
        _skip_items(node, stream, depth)


def _skip_items(node: Node, stream: io.BytesIO, depth: int) -> None:
    (item,) = node.inner
    fixed = item.fixed if node.kind == "array" else None
    for count, n_bytes in chunks(stream):
        if n_bytes is not None:
            _advance(stream, n_bytes)
        elif fixed is not None:
            _advance(stream, count * fixed)
        else:
            for _ in range(count):
                if node.kind == "map":
                    _advance(stream, _long(stream))
                skip(item, stream, depth + 1)


def chunks(stream: io.BytesIO) -> Iterator[tuple[int, int | None]]:
    """The pieces in which an array or a map is written: how many items, and how many bytes where that is said."""
    while (count := _long(stream)) != 0:
        yield (count, None) if count > 0 else (-count, _long(stream))


def next_branch(branches: list[Any], stream: io.BytesIO) -> Any:
    """The branch of a union that the stream says comes next. Raises ValueError where there is none of that number."""
    index = _long(stream)
    if not 0 <= index < len(branches):
        raise ValueError("no such branch of a union")
    return branches[index]


def _advance(stream: io.BytesIO, n_bytes: int) -> None:
    at = stream.tell()
    if n_bytes < 0 or at + n_bytes > len(stream.getbuffer()):
        raise EOFError
    stream.seek(at + n_bytes)


def _long(stream: io.BytesIO) -> int:
    value = 0
    for shift in range(0, 70, 7):
        (byte,) = struct.unpack("B", stream.read(1))
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return (value >> 1) ^ -(value & 1)
    raise ValueError("an integer of more than 64 bits")
