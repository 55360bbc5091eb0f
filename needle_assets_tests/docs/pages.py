"""What the documentation tells people to type: commands, queries, programs and settings, page by page."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
PAGES = [
    *(REPOSITORY / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "warehouse/README.md")),
    *sorted((REPOSITORY / "docs").glob("*.md")),
]
PROGRAMS = (
    "needle",
    "make",
    "dagster",
    "duckdb",
    "harlequin",
    "marimo",
    "python",
    "pytest",
    "pip",
    "export",
    "source",
    "git",
    "podman",
    "dask",
)
SHELL = ("", "sh", "bash", "console")
FILE = re.compile(r"(?:#|--) (?:in (?P<place>\w+) of )?(?P<path>[\w./]+/[\w.]+)\n")

# Pages that are followed as a whole by a test of their own, commands included.
FOLLOWED = {"docs/adding_a_product.md": "needle_assets_tests/docs/test_adding_a_product.py"}

# Commands that are not run where the documentation is tested, and what runs them or why nothing can.
NOT_RUN = {
    "make demo": "needle_assets_tests/cli/test_demonstration.py, and its trainings needle_assets_tests/pipeline/test_train.py",
    "needle demo": "the same",
    "make test": "it is what runs this",
    "make faults": "needle_assets_tests/test_disturbed.py",
    "make install": "it is what set this up",
    "make docs": "needle_assets_tests/docs/test_site.py",
    "make test-slow": "it takes an hour, and this runs in it",
    "make test-random SEED=1 RUNS=50": "a search of half an hour; every property test runs here with one seed",
    "make mutants": "a search of an hour; needle_assets_tests/mutants/test_making.py tries its parts",
    "make mutants 'MUTANTS=samples --draw 60 --seed 3'": "the same",
    "source .venv/bin/activate": "what is run here is run by the Python of that environment",
    "python -m venv needle-env": "needle_assets_tests/test_release.py, into a folder instead of an environment",
    "source needle-env/bin/activate": "the same",
    "pip install --constraint constraints.txt needle_assets-1.0.0-py3-none-any.whl": "the same",
    "pip install --constraint constraints.txt 'needle_assets[lake]'": "make install installs the same",
    "pip install --constraint constraints.txt 'needle_assets[dask]'": "the same",
    "export POLARS_MAX_THREADS=1 OMP_NUM_THREADS=1": "needle_assets_tests/processes/test_dask.py, whose workers have the same",
    "python deploy/job_scripts.py FOLDER": "needle_assets_tests/processes/test_deploy.py",
    "dask worker --scheduler-file FILE --nthreads 1 --death-timeout 60 --tls-ca-file ca.pem --tls-cert own.pem --tls-key own.key": (
        "needle_assets_tests/processes/test_dask.py"
    ),
    "needle warehouse copy": "needle_assets_tests/warehouse/test_moving.py, between two places that the settings name",
    "needle warehouse compare HOME": "the same",
    "needle maintain": "needle_assets_tests/warehouse/test_past.py; it is for a lake",
    "python -m hatchling build": "needle_assets_tests/test_release.py",
    "git tag -a v1.0.0 -m 'needle_assets 1.0.0'": "a release is made by a person",
    "podman build --build-arg VERSION=1.0.0 --tag needle .": "needle_assets_tests/test_release.py reads the recipe; this needs a registry",
    "podman run --rm --network host --volume '$PWD/home:/home/needle/warehouse' needle ui": "the same",
    "podman run --rm --volume '$PWD/home:/home/needle/warehouse' needle status": "the same",
    "needle ui": "needle_assets_tests/orchestration/test_browser.py",
    "needle explore": "needle_assets_tests/explore/test_browser.py",
    "needle fetch kafka --landing FOLDER --topics TOPIC --start newest --follow": "needle_assets_tests/fetch/stream/test_kafka.py",
    "harlequin --read-only warehouse/needle.duckdb": "needle_assets_tests/docs/test_exploring.py",
    "marimo edit notebooks/explore.py": "it opens a browser; what it shows is exported beside it",
    "python benchmarks/gp_parity.py NPZ needle.duckdb": "it needs the files of the authors, which are not ours to ship",
}


@dataclass(frozen=True)
class Block:
    """A fenced block: language and text."""

    page: Path
    language: str
    text: str


def blocks(page: Path, *languages: str) -> list[Block]:
    """Fenced blocks of a page in these languages, apart from those that are files."""
    return [block for block in _fenced(page) if block.language in languages and not FILE.match(block.text)]


def files(page: Path) -> list[tuple[str, str, str]]:
    """Blocks that say in their first line which file they are: path, the name in it that they are added to (or nothing), text."""
    found = [(FILE.match(block.text), block.text) for block in _fenced(page)]
    return [(first["path"], first["place"] or "", text[first.end() :]) for first, text in found if first]


def _fenced(page: Path) -> list[Block]:
    found = re.findall(r"^```(\w*)\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return [Block(page, language, text) for language, text in found]


def commands(page: Path) -> list[str]:
    """Commands in the fenced blocks of a page, without what a comment says of them."""
    return [shlex.join(shlex.split(line, comments=True)) for block in blocks(page, *SHELL) for line in _lines(block.text)]


def _lines(text: str) -> Iterator[str]:
    """Commands of a block: the lines behind a ``$`` where there is one, the others being what is printed; else every line."""
    lines = text.replace("\\\n", " ").splitlines()
    prompted = [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
    yield from prompted or (line for line in lines if line.strip() and not line.lstrip().startswith("#"))


def coded(page: Path) -> list[str]:
    """Everything in a page's sentences and tables that is written as code, without line breaks."""
    return [" ".join(text.split()) for text in re.findall(r"`([^`]+)`", _prose(page))]


def _prose(page: Path) -> str:
    return re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)


def mentioned(page: Path) -> list[str]:
    """Commands that a page names within its sentences."""
    return [text for text in coded(page) if text.split(" ")[0] == "needle" and " " in text]


def links(page: Path) -> list[str]:
    """Files of ours that a page points to."""
    found = re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8"))
    return [target for target in found if "://" not in target]
