"""One home at work: what a refresh and a training hold in their hands while functions beside this module do the work."""

import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from needle_assets.errors import NeedleError
from needle_assets.home import IS_CHECKOUT, Home
from needle_assets.pipeline.claims import Claims
from needle_assets.processes.workers import Workers
from needle_assets.settings import Settings
from needle_assets.stages import IMPORTED_STAGES, STAGES, Stage
from needle_assets.warehouse import ledger, schema
from needle_assets.warehouse.connection import let_go, transaction, writing
from needle_assets.warehouse.copies import backups, past, publish
from needle_assets.warehouse.landed.files import FilesTold

if TYPE_CHECKING:
    from needle_assets.processes.cluster import Cluster

# Making workers ready takes two seconds of a core; fewer objects are done sooner without.
POOL_FROM_OBJECTS = 100


class RefreshError(NeedleError):
    """A refresh cannot start or go on; the message says why and what to do."""


@dataclass
class StageReport:
    """What one stage did in one run."""

    computed: int = 0
    up_to_date: int = 0
    rejected: int = 0
    failed: int = 0
    seconds: float = 0.0


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
        Processes that compute; as many as the settings say, if 0.
    stages
        The pipeline; tests give their own. In a home whose training set was imported, only what can be computed there.
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
    workers: int = 0
    stages: Sequence[Stage] = STAGES
    progress: Progress = no_progress
    reports: dict[str, StageReport] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    accept_loss: bool = False
    files: FilesTold = field(default_factory=FilesTold)

    def __post_init__(self) -> None:
        if self.home.imported.exists():
            self.stages = IMPORTED_STAGES
        self.tables = schema.read_tables()
        self.claims = Claims(self.home.working, self.stages, self.tables, self.settings)
        count = self.workers or self.settings.compute.workers
        marks, before = self.home.state / "computing", partial(let_go, self.home.working)
        self.pool = Workers(count, marks, before=before, cluster=self._cluster())
        self.is_night = False
        self.untold: list[dict[str, Any]] | None = None
        self.told: dict[str, list[str]] = {}  # writes by product whose events are recorded, which the ledger does not know yet
        self.git_sha = _git_sha()

    def _cluster(self) -> "Cluster | None":
        """The workers of other machines, if a scheduler is named."""
        chosen = self.settings.compute
        scheduler = os.environ.get("NEEDLE_SCHEDULER") or chosen.scheduler
        if not scheduler:
            return None
        from needle_assets.processes.cluster import Cluster

        folders = [folder for folder in (self.home.landing(), self.home.unpacked) if folder]
        return Cluster(scheduler, (chosen.tls_ca_file, chosen.tls_certificate_file, chosen.tls_key_file), folders)

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

    def remember_told(self) -> None:
        """Let the ledger know which events are recorded, apart from any write; a killed run leaves the next one to find out."""
        if self.told:
            with writing(self.home.working) as connection, transaction(connection):
                ledger.mark_told(connection, self.told)
                schema.bump_change(connection)
            self.told = {}

    def stage(self, table: str) -> Stage | None:
        """The stage of a table in this pipeline; None for files of the landing folder."""
        return next((stage for stage in self.stages if stage.table == table), None)

    def require_computable(self, stage: Stage) -> None:
        """Raise RefreshError where a training set was imported and this stage would compute from what is not there."""
        if self.home.imported.exists() and stage not in self.stages:
            raise RefreshError(f"{stage.table} is not computed. {self.why_nothing_lands}")

    @property
    def why_nothing_lands(self) -> str:
        """Why nothing lands in a home whose training set was imported."""
        return (
            f"{self.home.path} holds an imported training set: it trains and reports, but packets are not read into it; "
            "set NEEDLE_HOME to another folder to refresh one from packets."
        )

    def publish(self) -> bool:
        """
        Give readers what was written; False if nothing was.

        While a claim is broken nothing is: readers keep what they have, and ``problems`` says why. Training sets whose models were
        judged are frozen, and after a night a lake is looked after.
        """
        self.remember_told()
        broken = [str(found) for found in self.claims.broken()]
        self.problems += [sentence for sentence in broken if sentence not in self.problems]
        is_new = not broken and publish.publish(
            self.home.working,
            self.home.published,
            backups=self.home.backups,
            n_kept=self.settings.publishing.kept,
            accept_loss=self.accept_loss,
        )
        if is_new:
            past.freeze(self.home.working, self.home.path)
        if is_new and self.is_night:
            self.problems += publish.look_after(self.home.working, self.settings.publishing.kept)
        return is_new

    @property
    def folders(self) -> dict[str, str]:
        """Where stages find landed files: the landing folder, and what was unpacked of its archives."""
        return {"landing": str(self.home.landing()), "unpacked": str(self.home.unpacked)}


def _git_sha() -> str | None:
    """Commit of the code: of the checkout, or that the version of an installed package names."""
    if not IS_CHECKOUT:
        return metadata.version("needle_assets").partition("+g")[2].partition(".")[0] or None
    result = subprocess.run(  # noqa: S603 - fixed words and our own path
        ["git", "-C", str(Path(__file__).parent), "rev-parse", "--short=12", "HEAD"],  # noqa: S607 - whichever git is on the PATH
        capture_output=True,
        text=True,
        check=False,
    )
    return result.stdout.strip() or None
