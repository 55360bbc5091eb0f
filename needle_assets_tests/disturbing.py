"""``python -m needle_assets_tests.disturbing``: commands are killed and stopped at random moments, again and again, until each is done.

Then what is left is compared to what the same command leaves that nobody disturbs. A stopped command must end within ten seconds,
with its one sentence and exit code; the next one must work. The seed is printed, and may be given.
"""

import argparse
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from needle_assets.home import Home
from needle_assets.processes.stopping import SENTENCE
from needle_assets.simulation import simulate
from needle_assets_tests.fetch import sky
from needle_assets_tests.fetch.conftest import opened_services
from needle_assets_tests.fetch.test_faults import tree
from needle_assets_tests.homes import assert_consistent, content, environment_of, needle

END_SECONDS = 10.0
PATIENCE_SECONDS = 600.0
MIX = {"SN": 0.4, "SLSN-I": 0.3, "TDE": 0.3}
NAMES = ("refresh", "incremental refresh", "train", "fetch")
N_OBJECTS = 3
N_TRAINED = 12
SETTINGS = """\
[splits]
n_folds = 2
[synthetic]
n_per_class = 2
[training]
ablations = ["metadata"]
deployed = ["metadata"]
epochs = 2
[metrics]
n_bootstrap = 10
"""


@dataclass(frozen=True)
class Scenario:
    """A command, and the folder with a home and a landing folder that it starts from; ``left`` is what it leaves there."""

    name: str
    template: Path
    arguments: tuple[str, ...]
    left: Callable[[Path], object]

    def copy(self, folder: Path) -> None:
        """Begin anew in a folder."""
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(self.template, folder, copy_function=shutil.copy2)
        if Home(folder / "home").landing():
            Home(folder / "home").remember_landing(folder / "landing")

    def start(self, folder: Path) -> "subprocess.Popen[str]":
        """The command as a child; what it says goes into the files ``out`` and ``said``."""
        words = [str(folder / "landing") if word == "LANDING" else word for word in self.arguments]
        command = [sys.executable, "-m", "needle_assets.cli", *words]
        with (folder / "said").open("w") as said, (folder / "out").open("w") as out:
            return subprocess.Popen(command, env=environment_of(folder / "home"), stdout=out, stderr=said, text=True)


@dataclass
class Outcome:
    """How many disturbances of which kind happened, and everything that went wrong."""

    n: dict[int, int] = field(default_factory=lambda: {signal.SIGKILL: 0, signal.SIGINT: 0, signal.SIGTERM: 0})
    n_finished: int = 0
    slowest_stop_seconds: float = 0.0
    problems: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        counts = ", ".join(f"{count} {signal.Signals(number).name}" for number, count in self.n.items())
        return (
            f"{counts}; {self.n_finished} commands finished and compared, the slowest stop took {self.slowest_stop_seconds:.1f} s, "
            f"{len(self.problems)} problems"
        )


def left_in_home(folder: Path) -> object:
    """Every table that people read; events and rows must agree."""
    assert_consistent(folder / "home")
    return content(Home(folder / "home").published)


@contextmanager
def scenarios(folder: Path) -> Iterator[list[Scenario]]:
    """Refresh, incremental refresh, train and fetch, on homes and services as small as can be."""
    _prepare(folder)
    with opened_services() as services:
        (folder / "fetch" / "home" / "settings.toml").write_text(services.as_toml())
        yield [
            Scenario("refresh", folder / "refresh", ("refresh", "--landing", "LANDING"), left_in_home),
            Scenario("incremental refresh", folder / "incremental", ("refresh", "--landing", "LANDING"), left_in_home),
            Scenario("train", folder / "train", ("train",), left_in_home),
            Scenario("fetch", folder / "fetch", ("fetch", "fink", "--landing", "LANDING"), lambda at: tree(at / "landing")),
        ]


def _prepare(folder: Path) -> None:
    for name in ("refresh", "incremental", "train", "fetch"):
        Home(folder / name / "home").prepare()
    (folder / "fetch" / "landing").mkdir()
    (folder / "fetch" / "landing" / "bts.csv").write_bytes(sky.bts_csv())
    _simulate(folder / "refresh", N_OBJECTS)
    _simulate(folder / "incremental", N_OBJECTS - 1)
    _simulate(folder / "train", N_TRAINED)
    for name in ("incremental", "train"):
        home = Home(folder / name / "home")
        home.settings_file.write_text(SETTINGS)
        done = needle(home.path, "refresh", "--landing", folder / name / "landing")
        assert done.returncode == 0, done.stderr
    _simulate(folder / "incremental", N_OBJECTS)


def _simulate(folder: Path, n_objects: int) -> None:
    simulate(folder / "landing", objects=n_objects, seed=8, mix=MIX, workers=1)


def disturb(scenario: Scenario, folder: Path, signals: Sequence[int], rng: random.Random, outcome: Outcome) -> None:
    """Send these signals, each at a random moment of the command; whenever it ends by itself, compare and begin anew."""
    scenario.copy(folder)
    started = time.monotonic()
    child = scenario.start(folder)
    assert child.wait(PATIENCE_SECONDS) == 0, (folder / "said").read_text()
    seconds, expected = time.monotonic() - started, scenario.left(folder)
    scenario.copy(folder)
    waiting = list(signals)
    while waiting:
        sent = _disturbed(scenario, folder, waiting[-1], rng.uniform(0.3, seconds + 0.3), outcome)
        if sent:
            outcome.n[waiting.pop()] += 1
        else:
            _compare(scenario, folder, expected, outcome)
            scenario.copy(folder)
    child = scenario.start(folder)
    child.wait(PATIENCE_SECONDS)
    _compare(scenario, folder, expected, outcome)


def _compare(scenario: Scenario, folder: Path, expected: object, outcome: Outcome) -> None:
    outcome.n_finished += 1
    said = (folder / "said").read_text()
    try:
        left = scenario.left(folder)
    except Exception as error:
        outcome.problems.append(f"{scenario.name}: {type(error).__name__}: {error} {said}")
        return
    if left != expected:
        outcome.problems.append(f"{scenario.name}: what is left differs: {_difference(left, expected)} {said}")


def _difference(left: object, expected: object) -> str:
    assert isinstance(left, dict)
    assert isinstance(expected, dict)
    return ", ".join(sorted(name for name in left.keys() | expected.keys() if left.get(name) != expected.get(name)))


def _disturbed(scenario: Scenario, folder: Path, number: int, seconds: float, outcome: Outcome) -> bool:
    """Whether the signal met the command at work."""
    child = scenario.start(folder)
    try:
        child.wait(seconds)
    except subprocess.TimeoutExpired:
        if number != signal.SIGKILL:
            _wait_until_caught(child)
        child.send_signal(number)
    else:
        if child.returncode:
            outcome.problems.append(f"{scenario.name}: exit code {child.returncode}: {(folder / 'said').read_text()}")
        return False
    started = time.monotonic()
    try:
        child.wait(END_SECONDS)
    except subprocess.TimeoutExpired:
        outcome.problems.append(
            f"{scenario.name}: still alive {END_SECONDS:.0f} s after signal {number}, sent after {seconds:.2f} s"
        )
        child.kill()
        child.wait()
    if number == signal.SIGKILL:
        return True
    outcome.slowest_stop_seconds = max(outcome.slowest_stop_seconds, time.monotonic() - started)
    said, code = (folder / "said").read_text(), child.returncode
    if (said, code) not in ((SENTENCE, 128 + number), ("", 0)):
        outcome.problems.append(f"{scenario.name}: exit code {code} after signal {number}, sent after {seconds:.2f} s: {said}")
    return True


def _wait_until_caught(child: "subprocess.Popen[str]") -> None:
    """On a busy machine the interpreter itself may take longer to start, and a signal ends it before anything of ours runs."""
    status, wanted = Path(f"/proc/{child.pid}/status"), 1 << (signal.SIGTERM - 1)
    while child.poll() is None:
        if int(status.read_text().split("SigCgt:")[1].split()[0], 16) & wanted:
            return
        time.sleep(0.01)


def disturbed(
    n_kills: int, n_stops: int, seed: int, folder: Path, say: Callable[[str], None] = print, only: Sequence[str] = ()
) -> Outcome:
    """So many SIGKILLs and so many SIGINTs and SIGTERMs in turns, shared among all scenarios, or those of these names."""
    rng, outcome = random.Random(seed), Outcome()
    stops = [(signal.SIGINT, signal.SIGINT, signal.SIGTERM)[k % 3] for k in range(n_stops)]
    signals = [signal.SIGKILL] * n_kills + stops
    rng.shuffle(signals)
    with scenarios(folder / "templates") as known:
        found = [scenario for scenario in known if not only or scenario.name in only]
        for k, scenario in enumerate(found):
            disturb(scenario, folder / "work", signals[k :: len(found)], rng, outcome)
            say("\n".join([f"{scenario.name}: {outcome}", *outcome.problems]))
    return outcome


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m needle_assets_tests.disturbing", description="Commands disturbed at random.")
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--stops", type=int, default=50)
    parser.add_argument("--seed", type=int, default=time.time_ns() % 10**9)
    parser.add_argument("--only", action="append", default=[], choices=NAMES, help="may be given several times")
    asked = parser.parse_args()
    print(f"seed {asked.seed}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        outcome = disturbed(asked.kills, asked.stops, asked.seed, Path(folder), lambda text: print(text, flush=True), asked.only)
    raise SystemExit(bool(outcome.problems))


if __name__ == "__main__":
    main()
