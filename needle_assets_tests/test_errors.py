"""Errors of the package: one base class, and a refusal is one type."""

import ast
import builtins
import pickle
from pathlib import Path

import pytest

import needle_assets
from needle_assets.cli import command
from needle_assets.errors import NeedleError, Rejection

SOURCES = sorted(Path(needle_assets.__file__).parent.rglob("*.py"))


def bases(source: Path) -> list[tuple[str, str]]:
    """(class, base) of every class of a module whose base is an exception of Python's own."""
    classes = [node for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))) if isinstance(node, ast.ClassDef)]
    named = [(node.name, base.id) for node in classes for base in node.bases if isinstance(base, ast.Name)]
    return [(name, base) for name, base in named if base.endswith(("Error", "Exception")) and hasattr(builtins, base)]


def test_every_error_of_the_package_has_one_base() -> None:
    assert [found for source in SOURCES for found in bases(source)] == [("NeedleError", "Exception")]


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (NeedleError("a folder is missing; name one."), "needle: a folder is missing; name one.\n"),
        (Rejection("too few points.", n_points=1), "needle: too few points.\n"),
        (ZeroDivisionError("by zero"), "needle: ZeroDivisionError: by zero (run with --debug for the traceback)\n"),
    ],
)
def test_a_command_tells_an_error_of_the_package_in_its_own_words(monkeypatch, capsys, error, said) -> None:
    def fails(**_given: object) -> None:
        raise error

    monkeypatch.setattr(command, "app", fails)
    with pytest.raises(SystemExit, match="1"):
        command.main(["status"])
    assert capsys.readouterr().err == said


def test_a_rejection_keeps_all_that_is_known_of_it() -> None:
    why = Rejection("too faint.", candid=5, mag=21.0)
    why.is_passing = True
    more = why.also("the packet is too faint.", object_id="ZTF20aaaaaaa")
    assert (more.reason, more.candid, more.object_id, more.is_passing) == ("the packet is too faint.", 5, "ZTF20aaaaaaa", True)
    assert more.measured == {"mag": 21.0, "object_id": "ZTF20aaaaaaa"}
    assert (why.reason, why.object_id) == ("too faint.", None)
    assert vars(pickle.loads(pickle.dumps(more))) == vars(more)
