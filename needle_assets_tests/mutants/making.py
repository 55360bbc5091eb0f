"""Mutants of a module: every operator of cosmic-ray that is asked for, at every place of the code, and names swapped for their opposite."""

import json
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cosmic_ray.ast import Visitor, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.operators.operator import Operator
from cosmic_ray.plugins import get_operator
from parso.python.tree import Name

HERE = Path(__file__).parent

# Replacements that a person could have written by mistake. Of the eleven for each arithmetic sign only its opposite: ``a >> b``
# of two floats is an error that any test finds, and would make the share of the killed look better than it is.
OPERATORS = (
    "SwapName",
    *("NumberReplacer", "ReplaceTrueWithFalse", "ReplaceFalseWithTrue", "ReplaceAndWithOr", "ReplaceOrWithAnd", "AddNot"),
    *("ReplaceBreakWithContinue", "ReplaceContinueWithBreak", "ZeroIterationForLoop", "ExceptionReplacer"),
    *(f"ReplaceUnaryOperator_Delete_{sign}" for sign in ("Not", "USub", "Invert")),
    *(f"ReplaceBinaryOperator_{a}_{b}" for a, b in (("Add", "Sub"), ("Sub", "Add"), ("Mul", "Div"), ("Div", "Mul"))),
    *(
        f"ReplaceBinaryOperator_{a}_{b}"
        for a, b in (("Pow", "Mul"), ("FloorDiv", "Mul"), ("BitAnd", "BitOr"), ("BitOr", "BitAnd"))
    ),
    *(f"ReplaceComparisonOperator_{a}_{b}" for a, b in (("Eq", "NotEq"), ("NotEq", "Eq"), ("Is", "IsNot"), ("IsNot", "Is"))),
    *(f"ReplaceComparisonOperator_{a}_{b}" for a, b in (("Lt", "LtE"), ("LtE", "Lt"), ("Gt", "GtE"), ("GtE", "Gt"))),
    *(f"ReplaceComparisonOperator_{a}_{b}" for a, b in (("Lt", "GtE"), ("LtE", "Gt"), ("Gt", "LtE"), ("GtE", "Lt"))),
)
OPPOSITES = {
    "min": "max",
    "argmin": "argmax",
    "minimum": "maximum",
    "nanmin": "nanmax",
    "any": "all",
    "floor": "ceil",
    "median": "mean",
    "nanmedian": "nanmean",
    "cumsum": "sort",
    "logical_or": "logical_and",
    "sin": "cos",
    "science": "reference",
    "mag": "mag_err",
    "low": "high",
    "ra_deg": "dec_deg",
    "append": "remove",
    "extend": "remove",
}
OPPOSITES |= {there: here for here, there in OPPOSITES.items() if there not in ("remove", "sort")}


class SwapName(Operator):
    """Calls and attributes by the name of their opposite."""

    def mutation_positions(self, node: Any) -> Iterator[Any]:
        if isinstance(node, Name) and node.value in OPPOSITES and node.parent.type in ("trailer", "atom_expr"):
            yield node.start_pos, node.end_pos

    def mutate(self, node: Any, index: int) -> Any:
        return Name(OPPOSITES[node.value], node.start_pos, prefix=node.prefix)

    @classmethod
    def examples(cls) -> tuple[Any, ...]:
        return ()


@dataclass(frozen=True)
class Mutant:
    """One wrong line: the file below the repository, where, what it said and what it says now."""

    path: str
    line: int
    before: str
    after: str
    code: str

    @property
    def name(self) -> tuple[str, str, str]:
        """Does not change where lines are added above."""
        return self.path, self.before, self.after


@dataclass(frozen=True)
class Place:
    """One place of a file and one operator."""

    path: str
    operator: str
    occurrence: int
    line: int


class _Places(Visitor):
    """Occurrences of an operator where something is computed, counted as cosmic-ray counts them."""

    def __init__(self, operator: Operator) -> None:
        self.operator, self.count, self.found = operator, 0, []

    def visit(self, node: Any) -> Any:
        for start, _ in self.operator.mutation_positions(node):
            if not _is_no_arithmetic(node):
                self.found.append((self.count, start[0]))
            self.count += 1
        return node


def _is_no_arithmetic(node: Any) -> bool:
    """Type hints, decorators (whether a class can be changed is no result) and the star of ``f(*, named)``."""
    while node.parent is not None:
        parent = node.parent
        if parent.type in ("decorator", "import_from") or (node.type == "operator" and parent.type in ("param", "parameters")):
            return True
        hint = {"annassign": 1, "tfpdef": 2}.get(parent.type)
        if hint is not None and parent.children[hint] is node:
            return True
        if parent.type == "funcdef" and parent.annotation is node:
            return True
        node = parent
    return False


def places_of(root: Path, path: str) -> list[Place]:
    """Where one file can be mutated."""
    tree = get_ast((root / path).read_text(encoding="utf-8"))
    found = []
    for name in OPERATORS:
        places = _Places(_operator(name))
        places.walk(tree)
        found += [Place(path, name, occurrence, line) for occurrence, line in places.found]
    return found


def mutant_at(root: Path, place: Place) -> Mutant:
    """The file with that one mutation."""
    source = (root / place.path).read_text(encoding="utf-8")
    code = mutate_code(source, _operator(place.operator), place.occurrence)
    return Mutant(place.path, place.line, *_changed(source, code), code)


def _operator(name: str) -> Operator:
    return SwapName() if name == "SwapName" else get_operator(f"core/{name}")()


def _changed(source: str, code: str) -> tuple[str, str]:
    """The line that differs, with runs of spaces made one."""
    pairs = zip(source.splitlines(), code.splitlines(), strict=False)
    before, after = next(((a, b) for a, b in pairs if a != b), (source[-80:], code[-80:]))
    return " ".join(before.split()), " ".join(after.split())


def by_hand(root: Path) -> list[Mutant]:
    """The mutants of ``by_hand.toml``; a text that is not there exactly once is an error."""
    found = []
    for entry in tomllib.loads((HERE / "by_hand.toml").read_text(encoding="utf-8"))["mutant"]:
        source = (root / entry["path"]).read_text(encoding="utf-8")
        if source.count(entry["before"]) != 1:
            raise ValueError(f"by_hand.toml: {entry['path']} holds {source.count(entry['before'])} times {entry['before']!r}")
        line = source[: source.index(entry["before"])].count("\n") + 1
        code = source.replace(entry["before"], entry["after"])
        found.append(Mutant(entry["path"], line, entry["before"], entry["after"], code))
    return found


def equivalents() -> dict[tuple[str, str, str], str]:
    """Why a mutant cannot be told from the original, by its name."""
    listed = json.loads((HERE / "equivalent.json").read_text(encoding="utf-8"))
    return {(entry["path"], entry["before"], entry["after"]): entry["reason"] for entry in listed}
