"""What the pages cost: an object, a list and an answer at 8,000 objects; twenty people at once; and a refresh while they look.

usage: python benchmarks/explore.py [--objects 8000] [--people 20] [--rounds 3] [--folder DIR]

The large home is the published file of a few simulated objects, its rows copied under new ids, each with made-up scores, so that all
are candidates. Everybody opens a page with its pictures, and looks at it for some seconds; requests are bounded in number and time,
and go to this machine alone. Compare ratios, and processor time where others use the machine.
"""

import argparse
import random
import re
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import duckdb
import httpx
import psutil

from needle_assets.cli.verbs import RefreshOptions, run_refresh
from needle_assets.home import Home
from needle_assets.simulation import simulate
from needle_assets_tests.homes import environment_of

MIX = {"SN": 0.6, "SLSN-I": 0.2, "TDE": 0.2}
LETTERS = 26
LOOKING_SECONDS = 4.0
MOST_SECONDS = 300.0
MOST_PAGES = 200
N_TIMED = 20
RECOMPUTED = ("core/stamps", "core/stamp_quality", "core/masks", "core/light_curves", "core/gp_fits")
LISTS = (
    "/candidates",
    "/candidates?label=TDE&min_p=0.5",
    "/candidates?max_mag=19&order=newest",
    "/candidates?verdict=none&offset=4000",
)
QUERY = {"text": "select label, count(*), median(brightest_mag) from core.objects group by 1"}


def main() -> None:
    """Parse the options and measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--objects", type=int, default=8000)
    parser.add_argument("--models", type=int, default=60, help="simulated objects, of which the others are copies")
    parser.add_argument("--people", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="work here and keep what is made")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        home = filled(folder, options.models)
        alone(crowded(folder, home, -(-options.objects // options.models)), options.objects)
        together(home, options.people, options.rounds)


def filled(folder: Path, n_objects: int) -> Home:
    """A home of a few simulated objects."""
    home = Home(folder / "home")
    if not home.published.exists():
        simulate(folder / "landing", objects=n_objects, seed=7, mix=MIX)
        run_refresh(home.prepare(), RefreshOptions(landing=folder / "landing"))
    return home


def crowded(folder: Path, few: Home, copies: int) -> Home:
    """A home in which only pages can be looked at: the rows of the other one copied under new ids, all with scores."""
    home = Home(folder / "crowd").prepare()
    if home.published.exists():
        return home
    made = shutil.copy(few.published, home.path / "made.duckdb")
    made.chmod(0o644)
    with duckdb.connect(str(made), config={"preserve_insertion_order": False}) as connection:
        keyed = (
            "select schema_name || '.' || table_name from duckdb_tables() join duckdb_columns() using (schema_name, table_name) "
        )
        tables = connection.execute(keyed + "where column_name = 'object_id' and table_name <> 'verdicts'").fetchall()
        name = f"object_id[:7] || chr((97 + k // {LETTERS})::int) || chr((97 + k % {LETTERS})::int) || object_id[10:]"
        for (table,) in tables:
            connection.execute(
                f"insert into {table} by name select t.* replace ({name} as object_id) from {table} t, range(1, {copies}::int) r(k)"
            )
        connection.execute("update raw.objects set type = null, label = null")
        connection.execute(MADE_UP)
    made.rename(home.published)
    return home


MADE_UP = """
insert into results.candidates by name
select object_id, last_mjd - 5 * k as as_of_mjd, 'masked' as ablation, 'TH' as model_kind, 3 as n_models, 'made up' as model_set,
    1 - p_slsn - p_tde as p_sn, p_slsn, p_tde, 0.05 as p_slsn_std, 0.05 as p_tde_std, [] as outside_range, 20.0 as days_since_first,
    6 as n_det_g, 6 as n_det_r, true as is_simulated
from (select object_id, last_mjd, hash(object_id) % 1000 / 2000 as p_slsn, hash(object_id || 'x') % 1000 / 2000 as p_tde
    from core.objects where last_mjd is not null), range(3) r(k)
"""


def alone(home: Home, n_objects: int) -> None:
    """One person's pages, each of its kind many times."""
    with served(home) as (client, process):
        started = time.perf_counter()
        client.get("/candidates").raise_for_status()
        print(f"{n_objects} objects: first list of a new version {time.perf_counter() - started:.2f} s")
        ids = found_in(client.get("/candidates").text)[:N_TIMED]
        for name, limit, paths in (
            ("object page", 0.5, [f"/objects/{each}?list=candidates" for each in ids]),
            ("list", 1.0, LISTS),
        ):
            told(name, limit, [timed(client, path, process) for path in paths for _ in range(2)])
        told("overview", 1.0, [timed(client, "/explore", process) for _ in range(3)])
        client.get("/sql")
        time.sleep(2)  # as long as writing a question takes, at least
        print("answers to a question, process and all:", end=" ")
        for _ in range(5):
            started = time.perf_counter()
            client.post("/sql", data=QUERY).raise_for_status()
            print(f"{time.perf_counter() - started:.2f} s", end=" ", flush=True)
            time.sleep(2)
        print(f"\nmemory of the server: {process.memory_info().rss / 2**20:.0f} MiB")


def timed(client: httpx.Client, path: str, process: psutil.Process) -> tuple[float, float]:
    """Seconds of a request, and of the server's processor."""
    started, before = time.perf_counter(), sum(process.cpu_times()[:2])
    client.get(path).raise_for_status()
    return time.perf_counter() - started, sum(process.cpu_times()[:2]) - before


def told(name: str, limit: float, times: Sequence[tuple[float, float]]) -> None:
    """Print the figures of one kind of page."""
    wall, cpu = zip(*times, strict=True)
    median = statistics.median(wall)
    print(
        f"{name}: median {median:.2f} s, slowest {max(wall):.2f} s (limit {limit:.1f}), processor {statistics.mean(cpu):.3f} s each"
    )


def together(home: Home, n_people: int, n_rounds: int) -> None:
    """A refresh by itself and with people who look, by turns in one run."""
    seconds: dict[bool, list[float]] = {False: [], True: []}
    processor: dict[bool, list[float]] = {False: [], True: []}
    for _ in range(n_rounds):
        for is_watched in (False, True):
            wall, cpu = watched(home, n_people) if is_watched else refreshed(home)
            seconds[is_watched].append(wall)
            processor[is_watched].append(cpu)
            print(
                f"refresh {'while ' + str(n_people) + ' people look' if is_watched else 'by itself'}: {wall:.1f} s, processor {cpu:.1f} s"
            )
    ratios = [statistics.median(told[True]) / statistics.median(told[False]) for told in (seconds, processor)]
    print(f"refresh with {n_people} people against by itself: {ratios[0]:.2f} (limit 1.20), of processor time {ratios[1]:.2f}")


def refreshed(home: Home) -> tuple[float, float]:
    """Seconds of a refresh that computes much anew and publishes it, and of its processors."""
    command = [
        sys.executable,
        "-m",
        "needle_assets.cli",
        "refresh",
        *(word for name in RECOMPUTED for word in ("--recompute", name)),
    ]
    started, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, env=environment_of(home.path), check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return time.perf_counter() - started, cpu


def watched(home: Home, n_people: int) -> tuple[float, float]:
    """The same while people look; every one of their requests must be answered."""
    with served(home) as (client, process):
        ids = found_in(client.get("/objects").text)
        ended, people = threading.Event(), People(str(client.base_url), ids)
        threads = [threading.Thread(target=people.look, args=(number, ended)) for number in range(n_people)]
        for thread in threads:
            thread.start()
        before = sum(process.cpu_times()[:2])
        seconds, processor = refreshed(home)
        cpu = sum(process.cpu_times()[:2]) - before
        ended.set()
        for thread in threads:
            thread.join()
    print(
        f"   {len(people.seconds)} requests, median {statistics.median(people.seconds):.2f} s, {len(people.wrong)} failed,",
        end=" ",
    )
    print(f"the server's processor {cpu / seconds:.2f}", *people.wrong[:3])
    if people.wrong:
        sys.exit("every request must be answered, also while a refresh publishes.")
    return seconds, processor


class People:
    """Who looks: pages with their pictures, one after the other, with time to look between."""

    def __init__(self, address: str, ids: Sequence[str]) -> None:
        self.address, self.ids = address, ids
        self.seconds: list[float] = []
        self.wrong: list[str] = []

    def look(self, number: int, ended: threading.Event) -> None:
        """What one of them does until told to stop, or for so long."""
        rng, until = random.Random(number), time.monotonic() + MOST_SECONDS
        with httpx.Client(base_url=self.address, timeout=60) as client:
            ended.wait(rng.uniform(0, LOOKING_SECONDS))
            for _ in range(MOST_PAGES):
                if ended.is_set() or time.monotonic() > until:
                    break
                page = rng.choice(
                    [*[f"/objects/{rng.choice(self.ids)}"] * 6, "/candidates", "/objects", "/gallery", "/explore", "/sql"]
                )
                text = self._asked(client, page)
                for picture in re.findall(r' src="(/objects/[^"]*\.png[^"]*)"', text)[:12]:
                    self._asked(client, picture.replace("&amp;", "&"))
                ended.wait(rng.uniform(0.5, 1.5) * LOOKING_SECONDS)

    def _asked(self, client: httpx.Client, path: str) -> str:
        started = time.perf_counter()
        try:
            answer = client.post(path, data=QUERY) if path == "/sql" else client.get(path)
            problem = "" if answer.status_code == 200 else f"{path}: {answer.status_code}"
        except httpx.HTTPError as error:
            answer, problem = None, f"{path}: {error!r}"
        self.seconds.append(time.perf_counter() - started)
        self.wrong += [problem] if problem else []
        return answer.text if answer is not None and ".png" not in path else ""


def found_in(page: str) -> list[str]:
    """The objects of a list."""
    return re.findall(r'data-object="([^"]+)"', page)


@contextmanager
def served(home: Home) -> Iterator[tuple[httpx.Client, psutil.Process]]:
    """`needle explore` of a home, at a free port, ended afterwards."""
    command = [sys.executable, "-m", "needle_assets.cli", "explore", "--port", "0"]
    with subprocess.Popen(command, env=environment_of(home.path), stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        address = process.stdout.readline().split()[2]
        try:
            with httpx.Client(base_url=address, timeout=60) as client:
                yield client, psutil.Process(process.pid)
        finally:
            process.terminate()


if __name__ == "__main__":
    main()
