"""One refresh, without Dagster: look at the landing folder, run stages over what is stale, publish. Dagster calls this and tells."""

import shutil
import subprocess
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import polars as pl

from needle_assets.errors import Refused, as_json
from needle_assets.home import Home
from needle_assets.landing import folder as landing
from needle_assets.landing.found import FileReport
from needle_assets.landing.scanning import RESCUE_FILES, RESCUE_SNAPSHOT, read_file, read_snapshot
from needle_assets.landing.unpacking import unpack
from needle_assets.pipeline.claims import Claims, require_up_to_date
from needle_assets.pipeline.compute import RESCUE, UNREADABLE, Computed, Task, run_task
from needle_assets.processes.workers import GIVEN_UP, Workers
from needle_assets.settings import Settings
from needle_assets.stages import STAGES, Stage, stage_named
from needle_assets.warehouse import ledger, rows, schema
from needle_assets.warehouse.connection import Connection, writing
from needle_assets.warehouse.copies import backups, publish
from needle_assets.warehouse.landed import manifest, snapshots
from needle_assets.warehouse.landed.files import FilesTold, standing
from needle_assets.warehouse.results import models
from needle_assets.warehouse.rows import Writer, Written

FILES_PER_TASK = 64
# Starting workers takes two seconds; fewer objects, or less to read, is done sooner without.
POOL_FROM_OBJECTS = 100
POOL_FROM_BYTES = 32_000_000
FILES_PER_COMMIT = 1024


class RefreshError(RuntimeError):
    """A refresh cannot start or go on; the message says why and what to do."""


@dataclass
class StageReport:
    """What one stage did in one run."""

    computed: int = 0
    up_to_date: int = 0
    rejected: int = 0
    failed: int = 0
    seconds: float = 0.0


@dataclass(frozen=True)
class Told:
    """What a materialisation event needs to know of one write."""

    stage: Stage
    object_id: str | None
    data_version: str
    code_version: str
    n_rows: int
    n_rejected: int
    write_id: str


Versions = Mapping[tuple[str, str | None], str]
Tell = Callable[[Sequence[Told], Versions], None]
Progress = Callable[[str, int, int], None]


def no_progress(_what: str, _done: int, _total: int) -> None:
    """Tell nobody."""


@contextmanager
def told_every_second(tell: Callable[[], None]) -> Iterator[None]:
    """Call ``tell`` once a second, in a thread, while something is waited for."""
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(1.0):
            tell()

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        ended.set()
        watcher.join()


@dataclass
class Session:
    """
    Work in one home. Whoever makes it holds the home's lock.

    Parameters
    ----------
    home, settings
        Where, and with which settings.
    workers : int
        Processes that compute.
    stages
        The pipeline; tests give their own.
    progress
        Called with (stage, done, total) while working.
    problems
        Sentences on what was not done as asked though work went on: told at the end, and then the exit code is not 0.
    accept_loss
        Begin anew where the working file is gone, and publish without models, scores and nights that only the published file holds.
    files
        What became of the files that this session read.
    """

    home: Home
    settings: Settings
    workers: int = 2
    stages: Sequence[Stage] = STAGES
    progress: Progress = no_progress
    reports: dict[str, StageReport] = field(default_factory=dict)
    pictured: dict[str, int] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    accept_loss: bool = False
    files: FilesTold = field(default_factory=FilesTold)

    def __post_init__(self) -> None:
        self.tables = schema.read_tables()
        self.claims = Claims(self.home.working, self.stages, self.tables, self.settings)
        self.pool = Workers(self.workers, self.home.state / "computing")
        self._untold: list[dict[str, Any]] | None = None
        self.git_sha = _git_sha()

    def open(self) -> "Session":
        """Bring the database to the described schema, copied before, and hash columns that are read for the first time."""
        home = self.home.prepare()
        backups.require_working(home.working, home.published, home.backups, accept_loss=self.accept_loss)
        backups.keep_before_upgrade(home.working, home.published, home.backups, self.settings.publishing.kept)
        with writing(home.working) as connection:
            schema.apply(connection)
            ledger.backfill_hashes(connection, self.stages, self.tables)
        return self

    def close(self) -> None:
        """End the workers; what was unpacked is needed no more."""
        self.pool.close()
        shutil.rmtree(self.home.unpacked, ignore_errors=True)

    # -- landing ---------------------------------------------------------------------------------------------

    def landing_folder(self, given: Path | None = None) -> Path:
        """The folder to read: the one given, else the one used before. Raises RefreshError if there is none."""
        folder = given or self.home.landing()
        if folder is None:
            raise RefreshError(f"{self.home.path} has no landing folder yet; name one with --landing FOLDER.")
        if not folder.is_dir():
            raise RefreshError(f"{folder} is not a folder; name the landing folder with --landing FOLDER.")
        if landing.catalogue_in(folder) is None:
            raise RefreshError(f"{folder} holds no bts.csv; a landing folder needs the BTS catalogue beside its alerts/.")
        return folder.resolve()

    def changed_files(self, folder: Path) -> list[landing.LandingFile]:
        """Files of the landing folder that were not read yet as they are now; others are no work, unless there is something to tell."""
        there = list(landing.scan(folder))
        with writing(self.home.working) as connection:
            changed = [*manifest.changed(connection, there), *snapshots.vanished(connection, there)]
        return [file for file in changed if file.kind != "unknown" or file.problem or file.notice]

    def is_doubtful(self) -> bool:
        """Whether a snapshot of the landing folder was not believed when it was last looked at."""
        with writing(self.home.working) as connection:
            return snapshots.is_doubtful(connection)

    def scan(self, folder: Path, *, accept_shrunken: bool = False) -> int:
        """
        Read what is new in the landing folder into the manifest; returns the number of files read.

        A snapshot that lost too much is believed only with ``accept_shrunken``; else it is told as a problem of the run.
        """
        there = list(landing.scan(folder))
        with writing(self.home.working) as connection:
            manifest.forget_vanished(connection, there, self.stages)
            files = manifest.changed(connection, there)
            vanished = snapshots.vanished(connection, there)
        self.claims.written()
        self.home.remember_landing(folder)
        self._scan_packets(folder, [file for file in files if file.kind not in snapshots.SOURCES])
        whole = [(folder, file) for file in files if file.kind in snapshots.SOURCES]
        reading = self.pool.map(read_snapshot, whole, in_pool=False, rescue=RESCUE_SNAPSHOT)
        changed = [found for _, found in reading]
        self._take_snapshots([*changed, *((FileReport(file), {}) for file in vanished)], accept_shrunken=accept_shrunken)
        return len(files)

    def _take_snapshots(self, found: Sequence[tuple[FileReport, dict[str, str]]], *, accept_shrunken: bool) -> None:
        """Store what the changed snapshots say, but for those that are not believed."""
        limit, doubts = self.settings.landing.largest_loss_fraction, {}
        with writing(self.home.working) as connection:
            for report, hashes in found:
                doubt = snapshots.doubt(connection, report, hashes, largest_loss=limit, accept=accept_shrunken)
                if doubt is None:
                    manifest.record_rows(connection, report, hashes, self.stages)
                else:
                    doubts[report.file.path] = (report.file.kind, doubt)
                    report = replace(report, refused=[Refused(None, None, doubt)], notices=[])
                self._tell_files([report])
            snapshots.settle(connection, doubts)
        self.problems += [reason for _, reason in doubts.values()]

    def _scan_packets(self, folder: Path, files: list[landing.LandingFile]) -> None:
        tasks = [(folder, tuple(files[i : i + FILES_PER_TASK])) for i in range(0, len(files), FILES_PER_TASK)]
        waiting: list[FileReport] = []
        done = 0
        in_pool = len(tasks) > 1 and sum(file.size for file in files) > POOL_FROM_BYTES
        for _, reports in self.pool.map(read_file, tasks, in_pool=in_pool, rescue=RESCUE_FILES):
            waiting += reports
            self._tell_files(reports)
            done += len(reports)
            self.progress("landing", done, len(files))
            if len(waiting) >= FILES_PER_COMMIT or done == len(files):
                with writing(self.home.working) as connection:
                    manifest.record_packets(connection, waiting, self.stages)
                waiting = []

    def _tell_files(self, reports: Iterable[FileReport]) -> None:
        for report in reports:
            self.files.add(report.file.path, report.file.kind, len(report.packets), report.notices)
            self.files.add_refused(report.file, report.refused)

    def standing_files(self) -> FilesTold:
        """What holds of the landing folder as it was last looked at, whichever run did."""
        with writing(self.home.working) as connection:
            return standing(connection)

    def objects(self) -> list[str]:
        """Every object that is a partition."""
        with writing(self.home.working) as connection:
            return manifest.new_objects(connection)

    # -- planning --------------------------------------------------------------------------------------------

    def stale(self) -> dict[str, list[str | None]]:
        """For every stage with something stale: the objects (None: the product itself)."""
        with writing(self.home.working) as connection:
            ledger.register_graph(connection, self.stages, self.tables, self.settings)
            found: dict[str, list[str | None]] = {}
            for stage, object_id in ledger.stale(connection):
                found.setdefault(stage, []).append(object_id)
        return found

    def needs_work(self, stages: Sequence[Stage]) -> bool:
        """Whether anything of these stages is stale, or written but not told."""
        tables = {stage.table for stage in stages}
        if tables & self.stale().keys():
            return True
        with writing(self.home.working) as connection:
            return bool(ledger.unpublished(connection))

    def status(self) -> tuple[dict[str, tuple[int, int, int]], dict[str, int], int]:
        """For every stage (stale, missing, all); refusals by stage; number of objects."""
        with writing(self.home.working) as connection:
            ledger.register_graph(connection, self.stages, self.tables, self.settings)
            return ledger.counts(connection), rows.refusals_by_stage(connection), len(manifest.new_objects(connection))

    def behind(self) -> models.Behind:
        """How far the models are behind the training set."""
        with writing(self.home.working) as connection:
            return models.behind(connection, self.stages)

    def unpublished(self, stage: Stage) -> list[Told]:
        """Writes of earlier sessions whose events are not known to be recorded; those of this one are told as they are made."""
        if self._untold is None:
            with writing(self.home.working) as connection:
                self._untold = ledger.unpublished(connection)
        return [
            Told(stage, r["object_id"], r["data_version"], r["code_version"], r["n_rows"], r["n_rejected"], r["write_id"])
            for r in self._untold
            if r["asset"] == stage.table
        ]

    # -- computing -------------------------------------------------------------------------------------------

    def refresh_stage(
        self,
        stage: Stage,
        *,
        tell: Tell,
        run_id: str,
        only: Iterable[str] | None = None,
        recompute: bool = False,
    ) -> StageReport:
        """Compute what is stale of a stage (or everything, with ``recompute``), of the objects in ``only`` or of all."""
        with ExitStack() as opened:
            # Opening a warehouse of 8,000 objects takes 50 ms: once, from the plan to the first rows to compute from.
            opened.enter_context(writing(self.home.working))
            plans = self._plans(stage)
            among = set(plans) if only is None or not stage.is_per_object else set(only) & set(plans)
            keys = among if recompute else {key for key in among if plans[key].is_stale}
            report = self._run(stage, sorted(keys, key=str), plans, tell, Writer(run_id, run_id, self.git_sha), opened)
        report.up_to_date = len(among) - report.computed - report.failed
        return report

    def compute_stage(self, stage: Stage, *, tell: Tell, run_id: str, request_id: str, only: Iterable[str | None]) -> StageReport:
        """Compute what somebody asked for, stale or not; what the same request already computed is left alone."""
        with ExitStack() as opened:
            connection = opened.enter_context(writing(self.home.working))
            plans = self._plans(stage)
            done = ledger.requested_before(connection, stage.table, request_id)
            asked = set(only) & set(plans)
            report = self._run(
                stage, sorted(asked - done, key=str), plans, tell, Writer(run_id, request_id, self.git_sha), opened
            )
        report.up_to_date = len(asked & done)
        return report

    def _plans(self, stage: Stage) -> dict[str | None, ledger.Plan]:
        with writing(self.home.working) as connection:
            ledger.register_graph(connection, [stage], self.tables, self.settings)
            return ledger.wanted(connection, stage.table)

    def _run(
        self,
        stage: Stage,
        keys: Sequence[str | None],
        plans: Mapping[str | None, ledger.Plan],
        tell: Tell,
        writer: Writer,
        opened: ExitStack,
    ) -> StageReport:
        report = self.reports.setdefault(stage.table, StageReport())
        started = time.monotonic()
        tasks = _after_closing(opened, self._tasks(stage, keys))
        in_pool = len(keys) > POOL_FROM_OBJECTS
        for task, computed in self.pool.map(run_task, tasks, in_pool=in_pool, rescue=RESCUE, name=stage.table):
            self._store(stage, task, computed, plans, writer, tell, report)
            self.progress(stage.table, report.computed + report.failed, len(keys))
        report.seconds += time.monotonic() - started
        return report

    def _tasks(self, stage: Stage, keys: Sequence[str | None]) -> Iterator[Task]:
        if not stage.is_per_object:
            if keys:
                yield self._task(stage, None)
            return
        objects = [key for key in keys if key is not None]
        with writing(self.home.working) as connection:
            weights = rows.weights(connection, list(stage.reads), objects)
        if "landing.packets" in stage.reads:
            self._unpack(objects)
        for chunk in _chunks(objects, weights, stage):
            yield self._task(stage, chunk)

    def _unpack(self, objects: Sequence[str]) -> None:
        """Take the packets of these objects out of archives, for all chunks and stages of this session."""
        with writing(self.home.working) as connection:
            archived = manifest.archived(connection, objects)
        folder = Path(self._folders()["landing"])
        tasks = [(folder, self.home.unpacked, path, members) for path, members in archived.items()]
        # What could not be unpacked is read from its archive by its stage, which says what is wrong.
        for done, _ in enumerate(self.pool.map(unpack, tasks, in_pool=len(tasks) > 1, rescue=GIVEN_UP), start=1):
            self.progress("archives", done, len(tasks))

    def _folders(self) -> dict[str, str]:
        return {"landing": str(self.home.landing()), "unpacked": str(self.home.unpacked)}

    def _task(self, stage: Stage, keys: tuple[str, ...] | None) -> Task:
        with writing(self.home.working) as connection:
            before = {stage.table: ("*",), "core.rejections": ("*",)} if stage.keeps_previous else {}
            reads = {**stage.reads, **before}
            frames = rows.load(connection, reads, self.tables, keys, self._folders())
            arrow = rows.arrow_schema(connection, stage.table)
        return Task(stage.compute, keys, frames, self.settings, arrow, stage.is_bulk)

    def _store(
        self,
        stage: Stage,
        task: Task,
        computed: Computed,
        plans: Mapping[str | None, ledger.Plan],
        writer: Writer,
        tell: Tell,
        report: StageReport,
    ) -> None:
        if not (task.keys is None and computed.failures):
            keys = None if task.keys is None else [key for key in task.keys if key not in computed.failures]
            parameters, write_id = ledger.parameters_of(stage, self.settings), uuid.uuid4().hex
            key = schema.primary_key(self.tables[stage.table].create)
            batch = rows.Batch(stage, key, keys, computed.rows, computed.refused, plans, parameters, writer, write_id)
            with writing(self.home.working) as connection:
                self.claims.written(stage.table, "core.rejections")
                written = rows.store(connection, batch, self.stages)
                self._tell(connection, stage, written, write_id, tell)
            report.computed += len(written)
            report.rejected += len(computed.refused)
        if computed.failures:
            self._store_failures(stage, computed, plans)
            report.failed += len(computed.failures)

    def _tell(self, connection: Connection, stage: Stage, written: Sequence[Written], write_id: str, tell: Tell) -> None:
        told = [Told(stage, w.object_id, w.data_version, stage.code_version, w.n_rows, w.n_rejected, write_id) for w in written]
        tell(told, ledger.data_versions(connection, list(stage.reads), [w.object_id for w in written if w.object_id is not None]))
        ledger.mark_published(connection, stage.table, [write_id])

    def _store_failures(self, stage: Stage, computed: Computed, plans: Mapping[str | None, ledger.Plan]) -> None:
        """Failed: the rows of before stay, the object stays stale, and the reason can be looked up."""
        refused = []
        for object_id, text in computed.failures.items():
            measured = {"traceback": text, "fingerprint": plans[object_id].fingerprint if object_id in plans else None}
            last = text.strip().splitlines()[-1]
            why = last if last.startswith(UNREADABLE) else f"the code failed ({last})"
            refused.append(Refused(object_id, None, f"{why}; what was stored before is kept", as_json(measured)))
        self.claims.written("core.rejections")
        with writing(self.home.working) as connection:
            rows.store_failures(connection, stage.table, refused)

    def mark_published(self, stage: Stage, write_ids: Sequence[str]) -> None:
        """Remember that the events of these writes are recorded."""
        with writing(self.home.working) as connection:
            ledger.mark_published(connection, stage.table, write_ids)

    # -- for those who show it -------------------------------------------------------------------------------

    def stage(self, table: str) -> Stage | None:
        """The stage of a table in this pipeline; None for files of the landing folder."""
        return next((stage for stage in self.stages if stage.table == table), None)

    def data_versions(self, stage: Stage, keys: Sequence[str | None]) -> dict[tuple[str, str | None], str]:
        """Data version of what ``stage`` reads, by (parent, object)."""
        with writing(self.home.working) as connection:
            return ledger.data_versions(connection, list(stage.reads), [key for key in keys if key is not None])

    def picture_rows(self, stage: Stage, key: str | None) -> dict[str, pl.DataFrame]:
        """What the picture of one object is drawn from."""
        assert stage.picture is not None
        with writing(self.home.working) as connection:
            return rows.load(connection, stage.picture.reads, self.tables, None if key is None else [key], self._folders())

    def tallies(self, stage: Stage, keys: Sequence[str | None]) -> dict[str | None, dict[str, int]]:
        """What the stage counts of its rows, by object; of all objects under None, with names that say so. Empty if it counts nothing."""
        if not stage.counts:
            return {}
        with writing(self.home.working) as connection:
            found = rows.tallies(connection, stage.table, stage.counts, [key for key in keys if key is not None])
        nothing = dict.fromkeys(stage.counts, 0)
        in_all = {f"{name}_of_all_objects": count for name, count in found.get(None, nothing).items()}
        return {key: {**found.get(key, nothing), **in_all} for key in keys}

    def counts(self, queries: Sequence[str]) -> list[int]:
        """How many rows each query finds."""
        if not queries:
            return []
        with writing(self.home.working) as connection:
            return [rows.count(connection, query) for query in queries]

    def may_train(self, table: str, *, ignoring: str = "") -> dict[str, list[str]]:
        """
        Raise GateError if what a training of ``table`` reads is condemned or stale; changes of the parent ``ignoring`` do not matter.

        Returns the objects whose last computation failed, by product: to be left out.
        """
        self.claims.require(table)
        with writing(self.home.working) as connection:
            return require_up_to_date(connection, table, self.stages, self.tables, self.settings, ignoring=ignoring)

    def publish(self) -> bool:
        """
        Give readers what was written; False if nothing was.

        While a claim is broken nothing is: readers keep what they have, and ``problems`` says why.
        """
        broken = [str(found) for found in self.claims.broken()]
        self.problems += [sentence for sentence in broken if sentence not in self.problems]
        return not broken and publish.publish(
            self.home.working,
            self.home.published,
            backups=self.home.backups,
            n_kept=self.settings.publishing.kept,
            accept_loss=self.accept_loss,
        )


def needed_by(names: Iterable[str]) -> list[Stage]:
    """The named stages and everything they need, in the order of the pipeline. Raises RefreshError for an unknown name."""
    wanted: set[str] = set()
    waiting = [stage_named(name) for name in names]
    while waiting:
        stage = waiting.pop()
        if stage.table not in wanted:
            wanted.add(stage.table)
            waiting += [parent for parent in STAGES if parent.table in stage.reads]
    return [stage for stage in STAGES if stage.table in wanted]


def _after_closing(opened: ExitStack, tasks: Iterator[Task]) -> Iterator[Task]:
    """Close the database before anything is computed: others may look at it meanwhile."""
    for task in tasks:
        opened.close()
        yield task


def _chunks(objects: Sequence[str], weights: Mapping[str, int], stage: Stage) -> Iterator[tuple[str, ...]]:
    """Objects in the given order, as many together as their rows allow."""
    chunk: list[str] = []
    n_rows = 0
    for object_id in objects:
        if chunk and (len(chunk) >= stage.chunk_objects or n_rows + weights.get(object_id, 0) > stage.chunk_rows):
            yield tuple(chunk)
            chunk, n_rows = [], 0
        chunk.append(object_id)
        n_rows += weights.get(object_id, 0)
    if chunk:
        yield tuple(chunk)


def _git_sha() -> str | None:
    result = subprocess.run(  # noqa: S603 - fixed words and our own path
        ["git", "-C", str(Path(__file__).parent), "rev-parse", "--short=12", "HEAD"],  # noqa: S607 - whichever git is on the PATH
        capture_output=True,
        text=True,
        check=False,
    )
    return result.stdout.strip() or None
