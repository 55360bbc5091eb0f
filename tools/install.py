"""Install the package with everything pinned into ``.venv``: a few lines here, all that the installer says in ``.venv/install.log``."""

import ast
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

VENV = Path(".venv")
LOG = VENV / "install.log"
PYTHON = VENV / ("Scripts" if os.name == "nt" else "bin") / "python"
WHAT = ("--constraint", "constraints.txt", "--editable", ".[asking,dask,dev,dust,export,kafka,lake,postgres]")

STEP = 30  # packages between two lines of progress
LARGE = 50  # MB from which a download is worth a line
TOLD_AT_FAILURE = 15  # last lines of the log


def main() -> int:
    """Make ``.venv`` and fill it, by uv where it is found, else by pip; 0 if all went well."""
    began = time.monotonic()
    VENV.mkdir(exist_ok=True)
    LOG.write_text("", encoding="utf-8")
    print(f"Installing {len(pins())} packages into {VENV} (minutes the first time; all that is said goes to {LOG})")
    if not (told([sys.executable, "-m", "venv", str(VENV)]) and filled(shutil.which("uv"))):
        last = LOG.read_text(encoding="utf-8").splitlines()[-TOLD_AT_FAILURE:]
        print(*last, f"Installing failed: above are the last lines of {LOG}. Once mended, the same command goes on.", sep="\n")
        return 1
    print(f"Installed in {time.monotonic() - began:.0f} s")
    return 0


def pins() -> list[str]:
    """Packages that are pinned, each with its version."""
    return [line for line in Path("constraints.txt").read_text(encoding="utf-8").splitlines() if "==" in line]


def filled(uv: str | None) -> bool:
    """Whether everything is installed: uv asks where pip would ask, so that both find the same builds; if it fails pip has its turn."""
    if uv is not None:
        if told([uv, "pip", "install", "--python", str(PYTHON), *uv_sources(pip_configuration()), *WHAT]):
            return True
        print("  uv did not manage; pip goes on")
    return told([str(PYTHON), "-m", "pip", "install", "--disable-pip-version-check", *WHAT])


def pip_configuration() -> str:
    """What pip is told by its files and the environment."""
    asked = [str(PYTHON), "-m", "pip", "config", "list", "--disable-pip-version-check"]
    return subprocess.run(asked, capture_output=True, text=True, check=False).stdout


def uv_sources(configuration: str) -> list[str]:
    """Indexes and folders of pip's configuration as uv's options; uv reads none of it by itself."""
    options = {"index-url": "--default-index", "extra-index-url": "--index", "find-links": "--find-links"}
    found = ["--index-strategy", "unsafe-best-match"]  # as pip: the best of all sources, not the first source that has any
    for key, value in re.findall(r"^[^=]*\.([a-z-]+)=(.*)$", configuration, re.MULTILINE):
        if key in options:
            found += [word for source in ast.literal_eval(value).split() for word in (options[key], source)]
    return found


def told(command: list[str]) -> bool:
    """Run one installer, keep all it says, show how far it is; whether it ended well."""
    with LOG.open("a", encoding="utf-8") as log:
        log.write(f"$ {' '.join(command)}\n")
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
        ) as installer:
            for line in shown(kept(installer.stdout or (), log)):
                print(f"  {line}", flush=True)
    return installer.returncode == 0


def kept(lines, log) -> Iterator[str]:
    """Lines as they come, each written down first."""
    for line in lines:
        log.write(line)
        log.flush()
        yield line


def shown(lines) -> Iterator[str]:
    """The few lines worth seeing of what pip or uv say."""
    found: set[str] = set()
    for line in lines:
        if match := re.match(r"\s*(?:Collecting|Processing) ([^\s<>=!~;\[]+)", line):
            known = len(found)
            found.add(match[1])
            if len(found) > known and len(found) % STEP == 0:
                yield f"{len(found)} packages found"
        elif (match := re.match(r"\s*Downloading (\S+?)(?:-\d\S*)? \(([\d.]+) ?Mi?B\)", line)) and float(match[2]) >= LARGE:
            yield f"fetching {match[1]} ({float(match[2]):.0f} MB)"
        elif line.startswith("Installing collected packages"):
            yield "all fetched, now unpacking (a minute or two)"
        elif re.match(r"(Resolved|Prepared|Installed) \d+ packages", line):
            yield line.strip()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("Stopped; the same command goes on.")
