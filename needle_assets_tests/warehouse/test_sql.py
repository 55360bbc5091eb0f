"""Only the warehouse speaks SQL: elsewhere no text is a statement."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import needle_assets

PACKAGE = Path(needle_assets.__file__).parent
ASKS_A_SERVICE = PACKAGE / "fetch" / "catalogues" / "legacy.py"  # in the language that its catalogue is asked in
OTHERS = sorted(
    path for path in PACKAGE.rglob("*.py") if path.relative_to(PACKAGE).parts[0] != "warehouse" and path != ASKS_A_SERVICE
)
STATEMENT = re.compile(
    r"\A\s*(select|with \w+ as|insert into|delete from|update \w+|create (or replace )?(temp )?(table|view)|alter table|drop)\b"
    r"|\b(from|join|into|update|table|view)\s+(raw|core|results|lineage)\.",
    re.IGNORECASE,
)


def statements(source: str) -> Iterator[str]:
    """Every text of a module that is SQL, put together where it is made of parts; docstrings apart."""
    tree = ast.parse(source)
    told = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if id(node) in told or not isinstance(node, ast.Constant | ast.JoinedStr):
            continue
        parts = node.values if isinstance(node, ast.JoinedStr) else [node]
        text = "".join(str(part.value) if isinstance(part, ast.Constant) else "x" for part in parts)
        if STATEMENT.search(text):
            yield text


@pytest.mark.parametrize("path", OTHERS, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_no_other_package_speaks_sql(path: Path) -> None:
    assert list(statements(path.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    ("source", "is_sql"),
    [
        ("x = 'select 1'", True),
        ("x = f'from core.{name}'", True),
        ("ask('delete from x where ' + y)", True),
        ("x = 'with a as (from b) ' 'from a'", True),
        ('"""select one of them"""', False),
        ("x = 'choose one; core.rejections says why'", False),
        ("x = 'the drop from night to night'", False),
    ],
)
def test_statements_are_told_from_sentences(source: str, *, is_sql: bool) -> None:
    assert bool(list(statements(source))) == is_sql
