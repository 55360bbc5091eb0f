"""``python -m needle_assets_tests.mutants``: draws mutants, runs the tests of their module against each, tells who survived.

Each child is a fork of this process, which has imported the libraries but nothing of ours, and works on a copy of the repository.
"""

import argparse
import importlib
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from needle_assets_tests.mutants.making import Mutant, by_hand, equivalents, mutant_at, places_of

ROOT = Path(__file__).parents[2]
COPIED = ("needle_assets", "needle_assets_tests", "warehouse", "docs", "pyproject.toml", "README.md", "Makefile")
SCIENCE = ("images", "light_curves", "samples", "classifiers")
GLUE = ("assets", "pipeline/train.py", "pipeline/compute.py", "orchestration/jobs/refresh.py")
LIBRARIES = (
    *(
        "numpy",
        "scipy.optimize",
        "scipy.ndimage",
        "astropy.coordinates",
        "astropy.cosmology",
        "skimage.metrics",
        "sklearn.ensemble",
    ),
    *("photutils.segmentation", "polars", "pyarrow", "duckdb", "torch"),
)
# What others call for their tests, or the settings of a stage name.
THROUGH_OTHERS = {
    "needle_assets/assets/landing.py": ("needle_assets_tests/test_vanishing.py", "needle_assets_tests/pipeline/test_refresh.py"),
    "needle_assets/assets/synthetic_pairs.py": (
        "needle_assets_tests/test_datasets.py",
        "needle_assets_tests/test_keyed_pixels.py",
    ),
    "needle_assets/classifiers/resnet.py": ("needle_assets_tests/classifiers/test_quality.py",),
}
PATIENCE_SECONDS = 300
LAST = ROOT / "build" / "mutants.json"
WILSON_Z = 1.96


@dataclass
class Running:
    mutant: Mutant
    pid: int
    place: Path
    since: float


def modules(area: str) -> list[str]:
    """Files of an area, below the repository."""
    place = ROOT / "needle_assets" / area
    files = [place] if place.suffix else sorted(place.glob("*.py"))
    return [str(file.relative_to(ROOT)) for file in files if file.name != "__init__.py"]


def mapped_tests(path: str) -> list[str]:
    """The mirrored test file; without one, those that import the module and lie nearest to where it would be."""
    module = Path(path)
    everywhere = ROOT / "needle_assets_tests"
    folder = everywhere / module.parent.relative_to("needle_assets")
    own = folder / f"test_{module.stem}.py"
    if own.exists():
        return [str(own.relative_to(ROOT))]
    dotted = ".".join(module.with_suffix("").parts)
    nearest = (folder, *(above for above in folder.parents if above.is_relative_to(everywhere)))
    for place in nearest:
        found = [str(file.relative_to(ROOT)) for file in sorted(place.rglob("test_*.py")) if _imports(file, dotted, module.stem)]
        if found:
            return found
    return list(THROUGH_OTHERS.get(path, ()))


def _imports(test: Path, dotted: str, stem: str) -> bool:
    parent = dotted.rpartition(".")[0]
    lines = [line for line in test.read_text(encoding="utf-8").splitlines() if line.startswith(("from ", "import "))]
    return any(f"{dotted} " in f"{line} " or (f"from {parent} import" in line and stem in line) for line in lines)


def start(mutant: Mutant, tests: Sequence[str], place: Path) -> int:
    """Fork; the child writes the mutant into its copy and runs pytest there."""
    for cached in (place / mutant.path).parent.glob(f"__pycache__/{Path(mutant.path).stem}.*"):
        cached.unlink()
    (place / mutant.path).write_text(mutant.code, encoding="utf-8")
    pid = os.fork()
    if pid:
        return pid
    os.setsid()
    os.chdir(place)
    os.environ["PYTHONPATH"] = str(place)
    sys.path[:] = [str(place), *(entry for entry in sys.path if entry and Path(entry) != ROOT)]
    for name in [name for name in sys.modules if name.partition(".")[0] in ("needle_assets", "needle_assets_tests")]:
        del sys.modules[name]
    out = os.open(place / "said", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(out, 1)
    os.dup2(out, 2)
    code = 3
    try:
        import pytest

        code = int(pytest.main(["-x", "-q", "-p", "no:cacheprovider", "--basetemp", str(place / "tmp"), *tests]))
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def run_all(asked: Sequence[Mutant], jobs: int) -> Iterator[tuple[Mutant, str]]:
    """Each mutant with what became of it: killed, survived or untested."""
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        free = [copied(Path(folder) / str(number)) for number in range(jobs)]
        waiting, running = list(reversed(asked)), []
        while waiting or running:
            while waiting and free:
                mutant, place = waiting.pop(), free.pop()
                tests = mapped_tests(mutant.path)
                if not tests:
                    free.append(place)
                    yield mutant, "untested"
                    continue
                running.append(Running(mutant, start(mutant, tests, place), place, time.monotonic()))
            time.sleep(0.1)
            for one in list(running):
                fate = _fate(one)
                if fate is not None:
                    running.remove(one)
                    shutil.copy(ROOT / one.mutant.path, one.place / one.mutant.path)
                    free.append(one.place)
                    yield one.mutant, fate


def copied(place: Path) -> Path:
    place.mkdir()
    for name in COPIED:
        source = ROOT / name
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(source, place / name, ignore=ignored) if source.is_dir() else shutil.copy(source, place / name)
    return place


def _fate(one: Running) -> str | None:
    pid, status = os.waitpid(one.pid, os.WNOHANG)
    if not pid and time.monotonic() - one.since > PATIENCE_SECONDS:
        os.killpg(one.pid, signal.SIGKILL)
        os.waitpid(one.pid, 0)
        return "killed"
    if not pid:
        return None
    return "survived" if os.waitstatus_to_exitcode(status) == 0 else "killed"


def check_unmutated(paths: Sequence[str], jobs: int) -> None:
    """The tests of every module pass as it is."""
    plain = [Mutant(path, 0, "", "", (ROOT / path).read_text(encoding="utf-8")) for path in paths]
    failing = [mutant.path for mutant, fate in run_all(plain, jobs) if fate == "killed"]
    if failing:
        raise SystemExit(f"These fail without a mutant: {', '.join(failing)}")


def wilson(hits: int, n: int) -> tuple[float, float]:
    """The interval that holds the true share 95 times of 100."""
    if n == 0:
        return 0.0, 1.0
    share, z2 = hits / n, WILSON_Z**2 / n
    half = WILSON_Z * (share * (1 - share) / n + z2 / (4 * n)) ** 0.5
    return (share + z2 / 2 - half) / (1 + z2), (share + z2 / 2 + half) / (1 + z2)


def told(fates: dict[str, list[tuple[Mutant, str]]]) -> None:
    """The table, and everyone who survived."""
    print(f"{'':<24}{'drawn':>7}{'killed':>8}{'survived':>10}{'equivalent':>12}{'share':>8}   95 % interval")
    everything = [pair for pairs in fates.values() for pair in pairs]
    for area, pairs in [*fates.items(), ("all", everything)]:
        n = {fate: sum(f == fate for _, f in pairs) for fate in ("killed", "survived", "equivalent", "untested")}
        alive = n["survived"] + n["untested"]
        low, high = wilson(n["killed"], n["killed"] + alive)
        share = n["killed"] / max(n["killed"] + alive, 1)
        print(f"{area:<24}{len(pairs):>7}{n['killed']:>8}{alive:>10}{n['equivalent']:>12}{share:>8.0%}   {low:.0%} to {high:.0%}")
    for mutant, fate in everything:
        if fate in ("survived", "untested"):
            print(f"\n{fate}: {mutant.path}:{mutant.line}\n  - {mutant.before}\n  + {mutant.after}")


def drawn(areas: Sequence[str], n: int, seed: int) -> dict[str, list[Mutant]]:
    """So many mutants of each area, the same for the same seed."""
    found = {}
    for area in areas:
        pool = [place for path in modules(area) for place in places_of(ROOT, path)]
        chosen = random.Random(f"{seed}-{area}").sample(pool, min(n, len(pool)))
        found[area] = [mutant_at(ROOT, place) for place in chosen]
        print(f"{area}: {len(pool)} mutants, {len(chosen)} drawn", flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("areas", nargs="*", default=[*SCIENCE, *GLUE], help="folders or files below needle_assets")
    parser.add_argument("--draw", type=int, default=40, help="mutants of each area")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--again", action="store_true", help="only those that survived the last time")
    parser.add_argument("--by-hand", action="store_true", help="only the mutants of by_hand.toml")
    asked = parser.parse_args()
    for library in LIBRARIES:
        importlib.import_module(library)
    chosen = {"by hand": by_hand(ROOT)} if asked.by_hand else drawn(asked.areas, asked.draw, asked.seed)
    if asked.again:
        alive = {tuple(name) for name in json.loads(LAST.read_text(encoding="utf-8"))}
        chosen = {area: [m for m in mutants if m.name in alive] for area, mutants in chosen.items()}
    check_unmutated(sorted({m.path for mutants in chosen.values() for m in mutants}), asked.jobs)
    known, fates = equivalents(), defaultdict(list)
    area_of = {mutant.name: area for area, mutants in chosen.items() for mutant in mutants}
    everyone = sorted((m for mutants in chosen.values() for m in mutants), key=lambda m: m.path)
    for mutant in [m for m in everyone if m.name in known]:
        fates[area_of[mutant.name]].append((mutant, "equivalent"))
    for mutant, fate in run_all([m for m in everyone if m.name not in known], asked.jobs):
        fates[area_of[mutant.name]].append((mutant, fate))
        print("." if fate == "killed" else f"\n{fate}: {mutant.path}:{mutant.line}: {mutant.after}\n", end="", flush=True)
    print()
    told(fates)
    LAST.parent.mkdir(exist_ok=True)
    LAST.write_text(json.dumps([m.name for pairs in fates.values() for m, fate in pairs if fate in ("survived", "untested")]))


if __name__ == "__main__":
    main()
