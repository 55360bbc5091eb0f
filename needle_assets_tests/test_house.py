"""The house stays small: files, classes, functions and folders, by count; what is larger says why in the page of the layout."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "needle_assets"
LAYOUT = PACKAGE.parent / "docs" / "architecture.md"
FILES = sorted(PACKAGE.rglob("*.py"))
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def nodes(*kinds: type[ast.AST]) -> Iterator[tuple[str, ast.AST]]:
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, kinds):
                yield f"{path.relative_to(PACKAGE)}:{node.name}", node


def body_lines(function: ast.FunctionDef) -> int:
    """Lines of a function below its signature and docstring."""
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    return body[-1].end_lineno - body[0].lineno + 1 if body else 0


def test_no_file_is_longer_than_400_lines():
    lines = {str(path.relative_to(PACKAGE)): path.read_text(encoding="utf-8").count("\n") for path in FILES}
    assert {name: n for name, n in lines.items() if n > 400} == {}


def test_no_class_is_longer_than_150_lines():
    lines = {name: node.end_lineno - node.lineno + 1 for name, node in nodes(ast.ClassDef)}
    assert {name: n for name, n in lines.items() if n > 150} == {}


def test_functions_are_short():
    lines = sorted((body_lines(node), name) for name, node in nodes(*FUNCTIONS))
    assert lines[-1][0] <= 40, lines[-5:]
    assert [lines[int(part * len(lines))][0] for part in (0.5, 0.9)] <= [5, 14]


def test_the_root_holds_at_most_12_modules():
    assert len(list(PACKAGE.glob("*.py"))) <= 12


FOLDERS = sorted({path.parent for path in FILES} - {PACKAGE})


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_a_folder_holds_at_most_9_modules_or_says_why(folder):
    modules = [path for path in folder.glob("*.py") if path.name != "__init__.py"]
    reasons = [line for line in LAYOUT.read_text(encoding="utf-8").splitlines() if line.startswith("* `")]
    assert len(modules) <= 9 or any(f"`{folder.relative_to(PACKAGE).as_posix()}/`" in line for line in reasons)
