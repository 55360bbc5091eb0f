"""``python -m needle_assets_tests.lake_faults``: a lake on Postgres whose driver and whose server are killed, and that many people read.

Driver and server are killed (-9, immediate) at so many moments of a refresh each; in the end the rows must be those of a home that
nobody disturbed, and after upkeep no file may be there that the catalogue does not name. Then readers ask while a driver writes and looks
after the lake: no question may fail, and none may see half of a step.
"""

import argparse
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from needle_assets.home import Home
from needle_assets.simulation import simulate
from needle_assets.warehouse import exploring
from needle_assets.warehouse.connection import reading, writing
from needle_assets.warehouse.copies import comparing
from needle_assets_tests.disturbing import MIX
from needle_assets_tests.homes import environment_of, needle
from needle_assets_tests.servers import Postgres, postgres

# Rows of a product that are not those the ledger tells of: half of a transaction would show.
TORN = (
    "select count(*) from lineage.ledger l left join (select object_id, count(*) as n from core.stamps group by 1) s using (object_id) "
    "where l.asset = 'core.stamps' and coalesce(s.n, 0) <> l.n_rows"
)
UNNAMED = (
    "select path from __ducklake_metadata_needle.ducklake_data_file union all "
    "select path from __ducklake_metadata_needle.ducklake_delete_file"
)


def lake_home(path: Path, server: Postgres, name: str) -> Home:
    """A new home whose tables lie in a lake of this server."""
    path.mkdir(parents=True)
    Home(path).settings_file.write_text(f'[warehouse]\ncatalogue = "postgres:{server.database(name)}"\ndata = "rows"\n')
    return Home(path).prepare()


def filled_home(path: Path, n_objects: int) -> Home:
    """A home in a file, and a landing folder beside it."""
    simulate(path / "landing", objects=n_objects, seed=8, mix=MIX, workers=1)
    home = Home(path / "home").prepare()
    done = needle(home.path, "refresh", "--landing", path / "landing")
    assert done.returncode == 0, done.stderr
    return home


def started(home: Home, *arguments: object) -> "subprocess.Popen[bytes]":
    """A command as a child that says nothing."""
    command = [sys.executable, "-m", "needle_assets.cli", *map(str, arguments)]
    return subprocess.Popen(command, env=environment_of(home.path), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def disturbed(home: Home, landing: Path, server: Postgres, *, n_points: int, seconds: float, rng: random.Random) -> Counter[str]:
    """Refresh until done, while driver and server are killed at so many moments each; says how often each was met at work."""
    met: Counter[str] = Counter()
    waiting = ["driver", "server"] * n_points
    while waiting:
        child = started(home, "refresh", "--landing", landing)
        try:
            child.wait(rng.uniform(1.0, seconds))
        except subprocess.TimeoutExpired:
            met[waiting[-1]] += 1
            if waiting.pop() == "driver":
                child.send_signal(signal.SIGKILL)
            else:
                server.kill()
                server.start()
        else:
            waiting.pop()  # it was done before
        child.wait()
    done = needle(home.path, "refresh", "--landing", landing)
    assert done.returncode == 0, done.stderr
    return met


def differences(home: Home, other: Home) -> list[str]:
    """What differs between the published tables of two homes, ids of runs and times apart."""
    with reading(home.published) as one, reading(other.published) as two:
        return comparing.differences(comparing.content(one), comparing.content(two))


def orphans(home: Home) -> set[str]:
    """Files among the rows of a lake that its catalogue does not name."""
    with writing(home.working) as connection:
        named = {Path(name).name for (name,) in connection.execute(UNNAMED).fetchall()}
    return {path.name for path in (home.path / "rows").rglob("*.parquet")} - named


def read_meanwhile(home: Home, landing: Path, *, n_readers: int, seconds: float) -> tuple[int, int, list[str]]:
    """Readers ask while a driver writes and looks after the lake; how often they asked, how often it wrote, and what went wrong."""
    deadline, asked, problems = time.monotonic() + seconds, Counter(), []
    reader = "from needle_assets_tests.lake_faults import ask_until; ask_until(*__import__('sys').argv[1:])"
    command = [sys.executable, "-c", reader, str(home.path), str(seconds)]
    readers = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(n_readers)]

    def collect(child: "subprocess.Popen[str]") -> None:
        told, failed = child.communicate()
        if child.returncode:
            problems.append(failed.strip().splitlines()[-1] if failed.strip() else f"exit code {child.returncode}")
        else:
            asked["questions"] += int(told)

    threads = [threading.Thread(target=collect, args=(child,)) for child in readers]
    for thread in threads:
        thread.start()
    while time.monotonic() < deadline:
        for command_of in (("refresh", "--recompute", "core/stamps", "--landing", landing), ("maintain", "--days", "0")):
            done = needle(home.path, *command_of)
            problems += [done.stderr.strip()] if done.returncode else []
            asked[command_of[0]] += 1
    for thread in threads:
        thread.join()
    return asked["questions"], asked["refresh"], problems


def ask_until(path: str, seconds: str) -> None:
    """What a reader does: ask, again and again, whether anything is torn; prints how often."""
    deadline, n = time.monotonic() + float(seconds), 0
    while time.monotonic() < deadline:
        found = exploring.ask(Home(Path(path)).published, TORN)[1]
        assert found == [(0,)], f"torn: {found}"
        n += 1
        time.sleep(0.02)
    print(n)


def run(folder: Path, *, n_points: int, n_readers: int, seconds: float, seed: int, say: Callable[[str], None]) -> list[str]:
    """Everything, in one folder; returns what went wrong."""
    rng = random.Random(seed)
    file = filled_home(folder / "file", 3)
    landing = folder / "file" / "landing"
    with postgres() as server:
        home = lake_home(folder / "lake", server, "disturbed")
        met = disturbed(home, landing, server, n_points=n_points, seconds=12.0, rng=rng)
        problems = differences(home, file)
        done = needle(home.path, "maintain", "--days", "0")
        assert done.returncode == 0, done.stderr
        problems += [f"{name} belongs to nobody" for name in sorted(orphans(home))] + differences(home, file)
        say(f"killed at work: {dict(met)}; {len(problems)} differences and orphans")
        n_asked, n_written, failed = read_meanwhile(home, landing, n_readers=n_readers, seconds=seconds)
        say(f"{n_readers} readers asked {n_asked} times while {n_written} refreshes wrote: {len(failed)} errors and torn reads")
    return problems + failed


def main() -> None:
    """Kill and read, for as long as asked."""
    parser = argparse.ArgumentParser(prog="python -m needle_assets_tests.lake_faults", description=__doc__)
    parser.add_argument("--points", type=int, default=6)
    parser.add_argument("--readers", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=300.0)
    parser.add_argument("--seed", type=int, default=time.time_ns() % 10**9)
    asked = parser.parse_args()
    print(f"seed {asked.seed}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        problems = run(
            Path(folder),
            n_points=asked.points,
            n_readers=asked.readers,
            seconds=asked.seconds,
            seed=asked.seed,
            say=lambda text: print(text, flush=True),
        )
    print("\n".join(problems))
    sys.exit(bool(problems))


if __name__ == "__main__":
    main()
