"""The asset graph is what ``asset_graph.txt`` says; whoever means a change writes the file anew with ``REGENERATE``."""

import difflib
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from dagster._core.definitions.assets.graph.base_asset_graph import BaseAssetGraph, BaseAssetNode

from needle_assets.definitions import definitions

SNAPSHOT = Path(__file__).with_name("asset_graph.txt")
REGENERATE = "python -m needle_assets_tests.orchestration.test_graph"


def described(graph: BaseAssetGraph) -> str:
    """Every asset with group and kinds, and below it what it depends on."""
    return "\n".join(line for node in sorted(graph.asset_nodes, key=lambda node: node.key) for line in _lines(node)) + "\n"


def _lines(node: BaseAssetNode) -> Iterator[str]:
    kinds = ", ".join(sorted(node.kinds))
    yield f"{node.key.to_user_string()}: group {node.group_name}; kinds {kinds or 'none'}"
    yield from (f"    from {parent.to_user_string()}" for parent in sorted(node.parent_keys))


def difference(kept: str, now: str) -> str:
    """What differs, each line with the asset that it belongs to."""
    changed = difflib.unified_diff(kept.splitlines(), now.splitlines(), SNAPSHOT.name, "the code", n=99, lineterm="")
    owner, told = "", []
    for line in list(changed)[3:]:
        owner, is_asset = (line[1:], True) if not line[1:].startswith(" ") else (owner, False)
        if line[0] in "+-":
            told.append(line if is_asset else f"{line[0]} {line[1:].strip():<32} of {owner.split(':')[0]}")
    return "\n".join(told)


def graph_of_today(home: Path, patch: pytest.MonkeyPatch) -> str:
    """The graph of a home without settings, as Dagster loads it."""
    patch.setenv("NEEDLE_HOME", str(home))
    patch.setenv("DAGSTER_HOME", str(home / ".state" / "dagster"))
    return described(definitions().resolve_asset_graph())


def test_keys_groups_kinds_and_dependencies_are_those_of_the_snapshot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept, now = SNAPSHOT.read_text(encoding="utf-8"), graph_of_today(tmp_path, monkeypatch)
    if kept != now:
        pytest.fail(
            f"The asset graph changed (+ is new):\n{difference(kept, now)}\nIf that is meant: {REGENERATE}", pytrace=False
        )


def test_a_difference_names_the_asset_it_is_in() -> None:
    kept = "core/a: group images; kinds duckdb\n    from raw/a\ncore/b: group images; kinds duckdb\n    from raw/a\n"
    now = kept.replace("core/b: group images; kinds duckdb\n    from raw/a", "core/b: group images; kinds duckdb\n    from raw/b")
    assert difference(kept, now).splitlines() == [
        "- from raw/a                       of core/b",
        "+ from raw/b                       of core/b",
    ]


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        SNAPSHOT.write_text(graph_of_today(Path(folder), patch), encoding="utf-8")
