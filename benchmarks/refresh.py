"""What a refresh costs, beside what it cost at an earlier commit: wall and processor seconds, and their ratio, in one run.

usage: python benchmarks/refresh.py [--against COMMIT] [--first 160] [--among 550] [--again 2] [--folder DIR]

Processor seconds count every process that a refresh starts, and hardly depend on what else the machine does. Cases:

    first        simulated objects in an empty home
    idle         the same home once more, with nothing to do
    alone        20 objects of 4 packets in an empty home
    new packets  6 of many objects of 4 packets have another packet each
    new objects  20 new objects among those many
"""

import argparse
import ctypes
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
from orchestration import N_NEW, fill, models_of

from needle_assets.simulation import simulate

REPOSITORY = Path(__file__).resolve().parents[1]
N_PACKETS, N_CHANGED, SEED = 4, 6, 1
BECOME_REAPER = 36  # PR_SET_CHILD_SUBREAPER of Linux: processes whose parent has ended are waited for here, and so counted


@dataclass(frozen=True)
class Cost:
    """Of one refresh, with every process that it started; the memory is the command's own at its largest."""

    wall_seconds: float
    cpu_seconds: float
    memory_mb: float


def main() -> None:
    """Parse the options and measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--against", help="a commit whose code is measured too; this code alone if left out")
    parser.add_argument("--first", type=int, default=160, help="simulated objects in an empty home")
    parser.add_argument(
        "--among", type=int, default=550, help="objects of 4 packets beside which some are new; 0 leaves them out"
    )
    parser.add_argument("--again", type=int, default=1, help="each case this often, the least counts")
    parser.add_argument("--folder", type=Path, help="work here and keep what is made")
    options = parser.parse_args()
    ctypes.CDLL(None).prctl(BECOME_REAPER, 1, 0, 0, 0)
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # an installed package is compiled
    with tempfile.TemporaryDirectory() as temporary, _codes(options.against) as codes:
        for code in codes.values():
            subprocess.run([sys.executable, "-m", "compileall", "-q", str(code / "needle_assets")], check=True)
        folder = options.folder or Path(temporary)
        _tell("first", _first(folder, codes, options.first, options.again))
        _tell("idle", {name: _least(code, folder / f"{name}-first", folder / "first", 3) for name, code in codes.items()})
        _tell("alone", _alone(folder, codes, options.again))
        if options.among:
            for what, costs in _among(folder, codes, options.among):
                _tell(what, costs)


def _first(folder: Path, codes: dict[str, Path], n_objects: int, again: int) -> dict[str, Cost]:
    simulate(folder / "first", objects=n_objects, seed=SEED)
    return {name: _least(code, folder / f"{name}-first", folder / "first", again, anew=True) for name, code in codes.items()}


def _alone(folder: Path, codes: dict[str, Path], again: int) -> dict[str, Cost]:
    fill(folder / "alone", models_of(folder / "models", N_PACKETS + 1), range(N_NEW), N_PACKETS)
    return {name: _least(code, folder / f"{name}-alone", folder / "alone", again, anew=True) for name, code in codes.items()}


def _among(folder: Path, codes: dict[str, Path], n_objects: int) -> Iterator[tuple[str, dict[str, Cost]]]:
    models, landing = models_of(folder / "models", N_PACKETS + 1), folder / "among"
    fill(landing, models, range(n_objects), N_PACKETS)
    homes = {name: folder / f"{name}-among" for name in codes}
    yield f"{n_objects} objects", {name: _refreshed(code, homes[name], landing) for name, code in codes.items()}
    fill(landing, models, range(N_CHANGED), N_PACKETS + 1)
    yield f"{N_CHANGED} of {n_objects} with new packets", {n: _refreshed(c, homes[n], landing) for n, c in codes.items()}
    fill(landing, models, range(n_objects, n_objects + N_NEW), N_PACKETS)
    yield f"{N_NEW} new among {n_objects}", {name: _refreshed(code, homes[name], landing) for name, code in codes.items()}


def _least(code: Path, home: Path, landing: Path, again: int, *, anew: bool = False) -> Cost:
    costs = []
    for _ in range(again):
        if anew:
            shutil.rmtree(home, ignore_errors=True)
        costs.append(_refreshed(code, home, landing))
    return min(costs, key=lambda cost: cost.cpu_seconds)


def _refreshed(code: Path, home: Path, landing: Path) -> Cost:
    environment = {**os.environ, "NEEDLE_HOME": str(home), "PYTHONPATH": str(code)}
    command = [sys.executable, "-m", "needle_assets.cli", "refresh", "--landing", str(landing), "--json"]
    kept, before, started = _children(), _cpu_of_children(), time.perf_counter()
    process = subprocess.Popen(command, env=environment, cwd=code, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    wall = time.perf_counter() - started
    if status:
        raise SystemExit(f"{' '.join(command)} failed")
    _wait_for_others(kept)
    return Cost(wall, _cpu_of_children() - before, used.ru_maxrss * 1024 / 1e6)


def _cpu_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _children() -> set[int]:
    return {child.pid for child in psutil.Process().children()}


def _wait_for_others(kept: set[int]) -> None:
    """Wait for what a refresh left behind; ``kept`` are children of our own, such as workers of the simulation."""
    for pid in _children() - kept:
        os.waitpid(pid, 0)


@contextmanager
def _codes(against: str | None) -> Iterator[dict[str, Path]]:
    """Where the code lies that is measured: the earlier one in a work tree of its own, for as long as the block lasts."""
    if against is None:
        yield {"now": REPOSITORY}
        return
    with tempfile.TemporaryDirectory() as temporary:
        tree = Path(temporary) / "before"
        _git("worktree", "add", "--detach", str(tree), against)
        try:
            yield {"before": tree, "now": REPOSITORY}
        finally:
            _git("worktree", "remove", "--force", str(tree))


def _git(*arguments: str) -> None:
    subprocess.run(["git", "-C", str(REPOSITORY), *arguments], check=True, capture_output=True)


def _tell(what: str, costs: dict[str, Cost]) -> None:
    said = ", ".join(
        f"{name} {cost.wall_seconds:.1f} s (CPU {cost.cpu_seconds:.1f} s, {cost.memory_mb:.0f} MB)"
        for name, cost in costs.items()
    )
    ratio = f", CPU now / before {costs['now'].cpu_seconds / costs['before'].cpu_seconds:.2f}" if len(costs) > 1 else ""
    print(f"{what}: {said}{ratio}", flush=True)


if __name__ == "__main__":
    main()
