"""What the documentation tells people to type: commands, queries, programs and settings, page by page."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
PAGES = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").glob("*.md")), REPOSITORY / "warehouse" / "README.md"]
PROGRAMS = ("needle", "make", "dagster", "duckdb", "python", "pytest", "pip", "export", "source")
SHELL = ("", "sh", "bash", "console")

# Commands that are not run where the documentation is tested, and what runs them or why nothing can.
NOT_RUN = {
    "make demo": "its steps are commands of these pages, and needle_assets_tests/pipeline/test_train.py runs them together",
    "make test": "it is what runs this",
    "make faults": "needle_assets_tests/test_disturbed.py",
    "make install": "it is what set this up",
    "make test-slow": "it takes an hour, and this runs in it",
    "make test-random SEED=1 RUNS=50": "a search of half an hour; every property test runs here with one seed",
    "make mutants": "a search of an hour; needle_assets_tests/mutants/test_making.py tries its parts",
    "make mutants 'MUTANTS=samples --draw 60 --seed 3'": "the same",
    "needle ui": "needle_assets_tests/orchestration/test_browser.py",
    "python benchmarks/gp_parity.py NPZ needle.duckdb": "it needs the files of the authors, which are not ours to ship",
}


@dataclass(frozen=True)
class Block:
    """A fenced block: language and text."""

    page: Path
    language: str
    text: str


def blocks(page: Path, *languages: str) -> list[Block]:
    """Fenced blocks of a page in these languages."""
    found = re.findall(r"^```(\w*)\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return [Block(page, language, text) for language, text in found if language in languages]


def commands(page: Path) -> list[str]:
    """Commands in the fenced blocks of a page, without what a comment says of them."""
    return [shlex.join(shlex.split(line, comments=True)) for block in blocks(page, *SHELL) for line in _lines(block.text)]


def _lines(text: str) -> Iterator[str]:
    for line in text.splitlines():
        if line.startswith("$ "):
            yield line.removeprefix("$ ")
        elif line.split(" ")[0] in PROGRAMS:
            yield line


def mentioned(page: Path) -> list[str]:
    """Commands that a page names within its sentences."""
    prose = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    return [text for text in re.findall(r"`([^`\n]+)`", prose) if text.split(" ")[0] == "needle" and " " in text]


def links(page: Path) -> list[str]:
    """Files of ours that a page points to."""
    found = re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8"))
    return [target for target in found if "://" not in target]
