"""Avro schemas made into readers: of what a record holds only what is wanted is decoded, the rest is passed over.

The schema inside a file is written by whoever sent it. What is wanted is rebuilt from the few keys that decoding needs and given to
fastavro, unless it could make a small file expensive: recursion, items of no width, records of a few bytes that repeat a million
times. What nobody wants may be anything that Avro knows. Single values go through fastavro in their plainest form, so that no odd
text or symbol can spoil a record; maps, lists and records are stepped over by their lengths and leave nothing in memory.
"""

import io
from collections.abc import Callable, Iterator
from typing import Any

import fastavro

from needle_assets.errors import Rejection
from needle_assets.landing.avro.schema import MAX_SCHEMA_NODES, WIDTHS, Node, Wanted
from needle_assets.landing.avro.skipping import chunks, next_branch, skip

MIN_REPEATED_RECORD_BYTES = 16

Read = Callable[[io.BytesIO], Any]

_PLAINEST = {"string": "bytes", "int": "long"}


class Unreadable:
    """Stands for a wanted value whose type cannot be read within bounds; says so where a message shows it."""

    def __init__(self, reason: str) -> None:
        self.reason = reason

    def __repr__(self) -> str:
        return self.reason


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


def _reader(node: Node, wanted: Wanted | None) -> Read:
    if wanted is None or not _is_mixed(node, wanted, ()):
        return _decoder(_Rebuilt().schema(node, wanted))
    if node.kind == "record":
        return _record_reader(node, wanted)
    if node.kind == "union":
        branches = [_reader_or_skip(branch, wanted) for branch in node.inner]
        return lambda stream: next_branch(branches, stream)(stream)
    if node.kind == "array":
        (item,) = node.inner
        _check_items(item)
        read = _reader(item, wanted)
        return lambda stream: [read(stream) for count, _ in chunks(stream) for _ in range(count)]
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
    return node.kind in WIDTHS or node.kind in ("enum", "fixed")


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
        if node.kind in WIDTHS:
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


def _skipper(node: Node) -> Read:
    return lambda stream: skip(node, stream)
