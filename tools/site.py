"""The documentation as a site: ``python tools/site.py [FOLDER]`` builds it into ``build/site`` or a folder, and fails at any warning."""

import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
PAGES = REPOSITORY / "build" / "pages"
COPIED = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "warehouse/README.md", "docs")
# What people call from programs of their own; all else is told of in docs/architecture.md.
REFERENCE = ("datasets", "exports", "images", "light_curves", "samples", "classifiers", "simulation", "surveys", "settings")


def main(site: Path) -> int:
    """Lay out the pages as they lie in the repository, with the reference beside them, and build; 0 if there was no warning."""
    if find_spec("mkdocs") is None:
        sys.exit("mkdocs is not installed; `make docs` installs it.")
    shutil.rmtree(PAGES, ignore_errors=True)
    for name in COPIED:
        copy(REPOSITORY / name, PAGES / name)
    for name in REFERENCE:
        write_reference(name)
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(site)]
    return subprocess.run(command, cwd=REPOSITORY, check=False).returncode


def copy(source: Path, target: Path) -> None:
    """A file, or a folder with all it holds."""
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copytree(source, target) if source.is_dir() else shutil.copy2(source, target)


def write_reference(name: str) -> None:
    """The page of one module, or of all modules of a package, which is filled from their docstrings."""
    place = REPOSITORY / "needle_assets" / name
    files = sorted(place.glob("[!_]*.py")) if place.is_dir() else [place.with_suffix(".py")]
    modules = [".".join(file.relative_to(REPOSITORY).with_suffix("").parts) for file in files]
    page = PAGES / "reference" / f"{name}.md"
    page.parent.mkdir(exist_ok=True)
    page.write_text("\n\n".join([f"# {name}", *(f"::: {module}" for module in modules)]) + "\n", encoding="utf-8")


def on_page_content(html: str, **_: object) -> str:
    """Called by mkdocs for every page: roles such as :func: before a name are for other readers of docstrings."""
    return re.sub(r":(?:func|class|meth|data|mod|attr):(?=<code>)", "", html)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if len(sys.argv) > 1 else REPOSITORY / "build" / "site"))
