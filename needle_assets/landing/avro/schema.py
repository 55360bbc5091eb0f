"""What an Avro schema may hold: its types, taken from the text that whoever sent the file wrote, within bounds."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from needle_assets.errors import Rejection

MAX_SCHEMA_NODES = 4000
MAX_SCHEMA_DEPTH = 24
MAX_FIXED_BYTES = 8 * 2**20

WIDTHS = {"null": 0, "boolean": 1, "int": 1, "long": 1, "float": 4, "double": 8, "bytes": 1, "string": 1}
_FIXED_WIDTHS = {"null": 0, "boolean": 1, "float": 4, "double": 8}


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


def parsed(schema: Any) -> Node:
    """The types of a schema given as what JSON makes of it. Raises Rejection where it is none."""
    return _Parser().node(schema, "", 0)


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
        if name in WIDTHS:
            return Node(name, width=WIDTHS[name], fixed=_FIXED_WIDTHS.get(name))
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
