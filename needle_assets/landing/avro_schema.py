"""Avro schemas made into readers: of what a record holds only what is wanted is decoded, the rest is passed over.

The schema inside a file is written by whoever sent it. What is wanted is rebuilt from the few keys that decoding needs and given to
fastavro, unless it could make a small file expensive: recursion, items of no width, records of a few bytes that repeat a million
times. What nobody wants may be anything that Avro knows. Single values go through fastavro in their plainest form, so that no odd
text or symbol can spoil a record; maps, lists and records are stepped over by their lengths and leave nothing in memory.
"""

import io
import struct
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import fastavro

from needle_assets.errors import Rejection

MAX_SCHEMA_NODES = 4000
MAX_SCHEMA_DEPTH = 24
MAX_SKIP_DEPTH = 100
MAX_FIXED_BYTES = 8 * 2**20
MIN_REPEATED_RECORD_BYTES = 16

Read = Callable[[io.BytesIO], Any]

_WIDTHS = {"null": 0, "boolean": 1, "int": 1, "long": 1, "float": 4, "double": 8, "bytes": 1, "string": 1}
_FIXED_WIDTHS = {"null": 0, "boolean": 1, "float": 4, "double": 8}
_PLAINEST = {"string": "bytes", "int": "long"}


@dataclass(frozen=True, eq=False)
class Wanted:
    """The names of what is wanted of a record, each with what is wanted of it in turn; None for all of it."""

    fields: Mapping[str, "Wanted | None"]


@dataclass(eq=False)
class Node:
    """
    One type of a schema.

    ``inner`` holds the fields of a record, the branches of a union, or the items of an array or map; ``names`` those of fields or
    symbols. ``width`` is the fewest bytes a value takes, ``fixed`` the bytes that every value takes, None where they differ.
    """

    kind: str
    inner: list["Node"] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    width: int = 0
    fixed: int | None = None


class Unreadable:
    """Stands for a wanted value whose type cannot be read within bounds; says so where a message shows it."""

    def __init__(self, reason: str) -> None:
        self.reason = reason

    def __repr__(self) -> str:
        return self.reason


def parsed(schema: Any) -> Node:
    """The types of a schema given as what JSON makes of it. Raises Rejection where it is none."""
    return _Parser().node(schema, "", 0)


def reader(node: Node, wanted: Wanted | None = None) -> Read:
    """
    A function that reads one value of this type from a stream.

    Of a record it gives the wanted fields (among others, of which nothing is to be believed), and :class:`Unreadable` for those
    whose type is beyond bounds. Without ``wanted`` it gives everything. It raises what fastavro raises on bytes that do not fit.

    Raises
    ------
    Rejection
        If the type is no record of at least one byte, or nothing is left to be passed over and it is beyond bounds.
    """
    if node.kind == "record" and node.width < (MIN_REPEATED_RECORD_BYTES if wanted else 1):
        raise Rejection("the Avro file's records take no bytes or too few; an alert packet is needed.")
    return _reader(node, wanted)


def beginning(record: Node, names: Collection[str]) -> Node:
    """The record up to the last of some fields. Raises Rejection if it has not all of them."""
    if record.kind != "record" or not set(names) <= set(record.names):
        raise Rejection("the Avro file's records have other fields.")
    end = 1 + max(record.names.index(name) for name in names)
    return Node("record", record.inner[:end], record.names[:end], width=record.width)


class _Parser:
    def __init__(self) -> None:
        self.named: dict[str, Node] = {}
        self.n_nodes = 0

    def node(self, schema: Any, namespace: str, depth: int) -> Node:
        self.n_nodes += 1
        if self.n_nodes > MAX_SCHEMA_NODES:
            raise Rejection(f"the Avro schema has more than {MAX_SCHEMA_NODES} parts.")
        if depth > MAX_SCHEMA_DEPTH:
            raise Rejection(f"the Avro schema is nested more than {MAX_SCHEMA_DEPTH} deep.")
        if isinstance(schema, str):
            return self._reference(schema, namespace)
        if isinstance(schema, list):
            return self._union([self.node(branch, namespace, depth + 1) for branch in schema])
        if not isinstance(schema, dict):
            raise Rejection(f"the Avro schema holds {type(schema).__name__} where a type is needed.")
        kind = schema.get("type")
        if kind in ("record", "error", "enum", "fixed"):
            return self._definition(schema, namespace, depth)
        if kind in ("array", "map"):
            return Node(kind, [self.node(schema.get("items" if kind == "array" else "values"), namespace, depth + 1)], width=1)
        return self.node(kind, namespace, depth + 1)

    def _reference(self, name: str, namespace: str) -> Node:
        if name in _WIDTHS:
            return Node(name, width=_WIDTHS[name], fixed=_FIXED_WIDTHS.get(name))
        full_name = name if "." in name or not namespace else f"{namespace}.{name}"
        # Old writers name a type of no namespace from inside one.
        found = self.named.get(full_name) or self.named.get(name)
        if found is None:
            raise Rejection("the Avro schema uses a type that it does not define before.")
        return found

    @staticmethod
    def _union(branches: list[Node]) -> Node:
        if not branches or any(branch.kind == "union" for branch in branches):
            raise Rejection("the Avro schema has an empty union or a union of unions.")
        return Node("union", branches, width=1)

    def _definition(self, schema: dict[str, Any], namespace: str, depth: int) -> Node:
        name, space = _full_name(schema, namespace)
        made = self.named[name] = Node("record" if schema["type"] == "error" else schema["type"])
        if made.kind == "record":
            self._add_fields(made, schema.get("fields"), space, depth)
        elif made.kind == "enum":
            made.names, made.width = _symbols(schema.get("symbols")), 1
        else:
            made.width = made.fixed = _size(schema.get("size"))
        return made

    def _add_fields(self, record: Node, given: Any, space: str, depth: int) -> None:
        if not isinstance(given, list):
            raise Rejection("the Avro schema has a record without a list of fields.")
        for described in given:
            if not isinstance(described, dict) or not isinstance(described.get("name"), str):
                raise Rejection("the Avro schema has a field without a name.")
            record.names.append(described["name"])
            record.inner.append(self.node(described.get("type"), space, depth + 1))
        fixed = [inner.fixed for inner in record.inner]
        record.width = sum(inner.width for inner in record.inner)
        record.fixed = None if None in fixed else record.width


def _symbols(given: Any) -> list[str]:
    if not isinstance(given, list) or not given or not all(isinstance(symbol, str) for symbol in given):
        raise Rejection("the Avro schema has an enum without a list of symbols.")
    return given


def _size(given: Any) -> int:
    if type(given) is not int or not 0 < given <= MAX_FIXED_BYTES:
        raise Rejection("the Avro schema has a fixed type without a usable size.")
    return given


def _full_name(schema: dict[str, Any], namespace: str) -> tuple[str, str]:
    name = schema.get("name")
    if not isinstance(name, str) or not name:
        raise Rejection("the Avro schema has a named type without a name.")
    if "." in name:
        return name, name.rpartition(".")[0]
    space = schema.get("namespace", namespace)
    space = space if isinstance(space, str) else namespace
    return (f"{space}.{name}" if space else name), space


# -- what is read ------------------------------------------------------------------------------------------------


def _reader(node: Node, wanted: Wanted | None) -> Read:
    if wanted is None or not _is_mixed(node, wanted, ()):
        return _decoder(_Rebuilt().schema(node, wanted))
    if node.kind == "record":
        return _record_reader(node, wanted)
    if node.kind == "union":
        branches = [_reader_or_skip(branch, wanted) for branch in node.inner]
        return lambda stream: _branch(branches, stream)(stream)
    if node.kind == "array":
        (item,) = node.inner
        _check_items(item)
        read = _reader(item, wanted)
        return lambda stream: [read(stream) for count, _ in _chunks(stream) for _ in range(count)]
    raise Rejection(f"the Avro schema has a {node.kind} where a record is wanted.")


def _decoder(schema: Any) -> Read:
    try:
        made = fastavro.parse_schema(schema)
    except Exception as error:
        raise Rejection(f"the Avro schema cannot be used ({type(error).__name__}).") from error
    return lambda stream: fastavro.schemaless_reader(stream, made, None, handle_unicode_errors="replace")


def _record_reader(node: Node, wanted: Wanted) -> Read:
    """Runs of fields that fastavro can take together, and between them what it cannot, one by one."""
    steps: list[tuple[str | None, Read]] = []
    run = Node("record")

    def end_run() -> None:
        nonlocal run
        if run.inner:
            steps.append((None, _decoder(_Rebuilt().schema(run, wanted))))
        run = Node("record")

    for name, inner in zip(node.names, node.inner, strict=True):
        if not _is_mixed(inner, wanted.fields[name], (node,)) if name in wanted.fields else _is_single(inner):
            run.names.append(name)
            run.inner.append(inner)
        else:
            end_run()
            steps.append((name, _reader_or_skip(inner, wanted.fields[name]) if name in wanted.fields else _skipper(inner)))
    end_run()

    def read(stream: io.BytesIO) -> dict[str, Any]:
        record: dict[str, Any] = {}
        for name, step in steps:
            if name is None:
                record |= step(stream)
            else:
                record[name] = step(stream)
        return record

    return read


def _reader_or_skip(node: Node, wanted: Wanted | None) -> Read:
    try:
        return _reader(node, wanted)
    except Rejection as why:
        skip, stands = _skipper(node), Unreadable(why.reason)

        def read(stream: io.BytesIO) -> Unreadable:
            skip(stream)
            return stands

        return read


def _is_mixed(node: Node, wanted: Wanted | None, inside: tuple[Node, ...]) -> bool:
    """Whether some of it must be passed over one by one."""
    if node in inside:
        return True
    if wanted is None or node.kind in ("map", "enum"):
        try:
            _Rebuilt().schema(node, wanted)
        except Rejection:
            return True
        return False
    if node.kind == "record":
        for name, inner in zip(node.names, node.inner, strict=True):
            is_wanted = name in wanted.fields
            if _is_mixed(inner, wanted.fields[name], (*inside, node)) if is_wanted else not _is_single(inner):
                return True
        return False
    if node.kind == "array" and not _are_items(node.inner[0]):
        return True
    return any(_is_mixed(inner, wanted, (*inside, node)) for inner in node.inner)


def _is_single(node: Node) -> bool:
    """Whether a value is one number, text or nothing."""
    if node.kind == "union":
        return all(_is_single(branch) for branch in node.inner)
    return node.kind in _WIDTHS or node.kind in ("enum", "fixed")


def _are_items(item: Node) -> bool:
    try:
        _check_items(item)
    except Rejection:
        return False
    return True


def _check_items(item: Node) -> None:
    branches = item.inner if item.kind == "union" else [item]
    if item.width == 0 or any(branch.kind == "array" for branch in branches):
        raise Rejection("the Avro schema has an array whose items take no bytes or are arrays.")
    for branch in branches:
        if branch.kind == "record":
            _check_repeated(branch)


def _check_repeated(record: Node) -> None:
    if record.width < MIN_REPEATED_RECORD_BYTES:
        raise Rejection(
            f"the Avro schema repeats a record of {record.width} bytes, at least {MIN_REPEATED_RECORD_BYTES} are needed."
        )


class _Rebuilt:
    """Schemas for fastavro, every named type written out where it is used and under a name of its own."""

    def __init__(self) -> None:
        self.n_nodes = 0
        self.open: list[Node] = []
        self.n_arrays = 0

    def schema(self, node: Node, wanted: Wanted | None) -> Any:
        """What reads this type. Raises Rejection where that is beyond bounds."""
        self.n_nodes += 1
        if self.n_nodes > MAX_SCHEMA_NODES:
            raise Rejection(f"the Avro schema has more than {MAX_SCHEMA_NODES} parts, named types counted where they are used.")
        if node in self.open:
            raise Rejection("the Avro schema contains itself; ZTF packets do not.")
        if node.kind in _WIDTHS:
            return node.kind
        if node.kind == "map":
            raise Rejection("the Avro schema has a map where a value is read.")
        self.open.append(node)
        built = self._compound(node, wanted)
        self.open.pop()
        return built

    def _compound(self, node: Node, wanted: Wanted | None) -> Any:
        name = f"n{self.n_nodes}"
        if node.kind == "fixed":
            return {"type": "fixed", "name": name, "size": node.width}
        if node.kind == "enum":
            return {"type": "enum", "name": name, "symbols": node.names}
        if node.kind == "union":
            return [self.schema(branch, wanted) for branch in node.inner]
        if node.kind == "array":
            return self._array(node, wanted)
        return {"type": "record", "name": name, "fields": list(self._fields(node, wanted))}

    def _array(self, node: Node, wanted: Wanted | None) -> Any:
        _check_items(node.inner[0])
        self.n_arrays += 1
        items = self.schema(node.inner[0], wanted)
        self.n_arrays -= 1
        return {"type": "array", "items": items}

    def _fields(self, node: Node, wanted: Wanted | None) -> Iterator[dict[str, Any]]:
        if self.n_arrays:
            _check_repeated(node)
        for name, inner in zip(node.names, node.inner, strict=True):
            if inner.kind == "record" and inner.width == 0 and inner not in self.open:
                raise Rejection("the Avro schema has a field that takes no bytes.")
            if wanted is None or name in wanted.fields:
                yield {"name": name, "type": self.schema(inner, wanted and wanted.fields[name])}
            else:
                yield {"name": name, "type": self._plain(inner)}

    def _plain(self, node: Node) -> Any:
        """A single value's type of the same bytes that takes any value: a text may then be no text, a symbol unknown."""
        self.n_nodes += 1
        if node.kind == "union":
            return [self._plain(branch) for branch in node.inner]
        if node.kind == "fixed":
            return self._compound(node, None)
        return "long" if node.kind == "enum" else _PLAINEST.get(node.kind, node.kind)


# -- what is passed over -----------------------------------------------------------------------------------------


def _skipper(node: Node) -> Read:
    return lambda stream: _skip(node, stream, 0)


def _skip(node: Node, stream: io.BytesIO, depth: int) -> None:
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
            _skip(inner, stream, depth + 1)
    elif node.kind == "union":
        _skip(_branch(node.inner, stream), stream, depth + 1)
    else:
        _skip_items(node, stream, depth)


def _skip_items(node: Node, stream: io.BytesIO, depth: int) -> None:
    (item,) = node.inner
    fixed = item.fixed if node.kind == "array" else None
    for count, n_bytes in _chunks(stream):
        if n_bytes is not None:
            _advance(stream, n_bytes)
        elif fixed is not None:
            _advance(stream, count * fixed)
        else:
            for _ in range(count):
                if node.kind == "map":
                    _advance(stream, _long(stream))
                _skip(item, stream, depth + 1)


def _chunks(stream: io.BytesIO) -> Iterator[tuple[int, int | None]]:
    """The pieces in which an array or a map is written: how many items, and how many bytes where that is said."""
    while (count := _long(stream)) != 0:
        yield (count, None) if count > 0 else (-count, _long(stream))


def _branch(branches: list[Any], stream: io.BytesIO) -> Any:
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
