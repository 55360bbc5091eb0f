"""What the commands do, apart from parsing and printing. Dagster is imported only when there is something to compute."""

import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from needle_assets.home import Home
from needle_assets.pipeline import plan, read_landing
from needle_assets.pipeline.plan import needed_by
from needle_assets.pipeline.session import Progress, RefreshError, Session
from needle_assets.stages import REFRESHED, SCORING, STAGES, Stage
from needle_assets.warehouse import exploring, questions
from needle_assets.warehouse.connection import is_published, kept_open, named
from needle_assets.warehouse.copies import backups
from needle_assets.warehouse.results.quality_models import CHECKERS

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True)
class RefreshOptions:
    """What ``needle refresh`` was asked for."""

    landing: Path | None = None
    preset: str | None = None
    select: tuple[str, ...] = ()
    recompute: tuple[str, ...] = ()
    workers: int = 0
    wait_seconds: float = 0.0
    accept_loss: bool = False
    accept_shrunken: bool = False


def run_simulate(
    folder: Path,
    *,
    objects: int,
    seed: int,
    nights: int | None,
    mix: str | None,
    workers: int,
    survey: str = "ztf",
    show: bool = False,
) -> dict[str, Any]:
    """Write a simulated survey; returns what ``--json`` prints. Raises SimulationError for a request that makes no sense."""
    from needle_assets.simulation import simulate

    with shown_progress(show) as progress:
        summary = simulate(
            folder,
            objects=objects,
            seed=seed,
            nights=nights,
            mix=_mix(mix),
            survey=survey,
            workers=workers,
            progress=lambda done, total: progress("simulation", done, total),
        )
    return {**asdict(summary), "folder": str(summary.folder)}


def run_fetch(
    home: Home, source: str, landing: Path, asked: Mapping[str, Any] = MappingProxyType({}), *, show: bool = False
) -> dict[str, Any]:
    """Fill a landing folder from one service; returns what ``--json`` prints. Raises FetchError if it cannot start or go on."""
    from needle_assets.fetch import Around
    from needle_assets.fetch import fetch as fetch_from

    around = Around(progress=lambda progress: say_progress(str(progress))) if show and sys.stderr.isatty() else Around()
    summary = fetch_from(
        source, landing, settings=home.settings(), around=around, **{name: value or None for name, value in asked.items()}
    )
    return summary.as_dict()


def say_progress(line: str) -> None:
    """Write a line over the one before."""
    sys.stderr.write(f"\r{line:<100}")
    sys.stderr.flush()


def _mix(given: str | None) -> dict[str, float] | None:
    """Shares by class from ``default``, ``demo`` or text like SN=0.8,TDE=0.2."""
    from needle_assets.simulation import DEFAULT_MIX, DEMO_MIX, SimulationError

    if given in (None, "default", "demo"):
        return dict(DEMO_MIX if given == "demo" else DEFAULT_MIX)
    try:
        return {name.strip(): float(share) for name, share in (part.split("=") for part in str(given).split(","))}
    except ValueError as error:
        raise SimulationError(f"--mix {given!r} cannot be read; give shares such as SN=0.8,SLSN-I=0.1,TDE=0.1.") from error


def run_refresh(home: Home, options: RefreshOptions, *, show: bool = False) -> dict[str, Any]:
    """
    Refresh a home; returns what ``--json`` prints.

    Raises
    ------
    RefreshError, SettingsError, HomeBusyError, WarehouseError
        If it cannot start, or cannot end; what was stored before is kept.
    """
    started = time.monotonic()
    stages = _asked(options)
    with _opened(home, options, accept_loss=options.accept_loss, show=show) as session:
        before = len(read_landing.objects(session))
        _work(session, stages, options)
        session.publish()
        return _result(session, stages, before, started)


def run_night(home: Home, options: RefreshOptions, *, show: bool = False) -> dict[str, Any]:
    """
    Ask the services that the settings name, then refresh; returns what ``--json`` prints, with the night's summary.

    Raises
    ------
    RefreshError, SettingsError, HomeBusyError, WarehouseError
        If it cannot start, or cannot end; what was stored before is kept. Services that failed stand in the summary.
    """
    from needle_assets.fetch import Around
    from needle_assets.orchestration import local
    from needle_assets.orchestration.running import LOCK_WAIT_SECONDS, held_when_needed, working_session

    if options.select or options.recompute:
        raise RefreshError("--fetch is for a whole night; leave --select and --recompute out, or refresh again with them.")
    started = time.monotonic()
    home.prepare().remember_preset(home.settings(options.preset).preset)
    with shown_progress(show) as progress:
        waits = options.wait_seconds or LOCK_WAIT_SECONDS  # who has asked services for an hour does not leave for a refresh
        how = partial(
            working_session,
            home,
            what="refresh",
            wait_seconds=waits,
            workers=options.workers,
            progress=progress,
            accept_loss=options.accept_loss,
        )
        with held_when_needed(how) as held:
            around = Around(progress=lambda far: progress(f"fetch {far.source}", far.done, far.total))
            night = local.run_night(home, held, landing=options.landing, accept_shrunken=options.accept_shrunken, around=around)
            return {
                **_result(held.session, REFRESHED, len(read_landing.objects(held.session)) - night["new_objects"], started),
                "night": night,
            }


def _asked(options: RefreshOptions) -> list[Stage]:
    """The stages to bring up to date: what was selected, else all but those on demand; one that is to be recomputed counts as asked for."""
    anew = [name for name in options.recompute if name != "all"]
    named = {stage.table for stage in needed_by(anew)}
    if options.select:
        return needed_by([*options.select, *anew])
    return [stage for stage in STAGES if not stage.is_on_demand or stage.table in named]


def _work(session: Session, stages: Sequence[Stage], options: RefreshOptions) -> None:
    folder = read_landing.landing_folder(session, options.landing)
    session.home.remember_landing(folder)
    changed = read_landing.changed_files(session, folder)
    read_landing.prepare_workers(session, len(changed))
    if options.recompute or changed or read_landing.is_doubtful(session) or plan.needs_work(session, stages):
        from needle_assets.orchestration.local import run_job  # an idle refresh does without Dagster

        run_job(session, stages, landing=folder, recompute=options.recompute, accept_shrunken=options.accept_shrunken)
        return
    if session.home.dead_runs():
        from needle_assets.orchestration.local import bury_dead_runs

        bury_dead_runs(session.home)
    broken = session.claims.broken()  # asked though there is nothing to do: a broken claim is told until it holds again
    if broken:
        raise RefreshError(" | ".join(map(str, broken)))


def _done(session: Session, stage: Stage, objects: int) -> dict[str, Any]:
    """What one stage computed, or that all of it was up to date."""
    report = session.reports.get(stage.table)
    idle = {"computed": 0, "up_to_date": objects if stage.is_per_object else 1, "rejected": 0, "failed": 0, "seconds": 0.0}
    return asdict(report) if report else idle


def _result(session: Session, stages: Sequence[Stage], before: int, started: float) -> dict[str, Any]:
    objects = len(read_landing.objects(session))
    return {
        "objects": objects,
        "new_objects": objects - before,
        "assets": {_asset(stage.table): _done(session, stage, objects) for stage in stages},
        "files": _files(session),
        "warnings": list(map(str, session.claims.doubtful())),
        "problems": list(session.problems),
        "published": _published(session),
        "seconds": time.monotonic() - started,
    }


def _files(session: Session) -> dict[str, Any]:
    """What became of the files that this run read, and how much of the whole folder stands refused or unread."""
    stands = read_landing.standing_files(session)
    return {**session.files.as_dict(), "refused_in_all": len(stands.refused), "unread_in_all": len(stands.unread)}


def _published(session: Session) -> str | None:
    """What people read; None while a broken claim keeps what was stored from them."""
    return None if session.claims.broken() else named(session.home.published)


@dataclass(frozen=True)
class TrainOptions:
    """What ``needle train`` was asked for."""

    ablations: tuple[str, ...] = ()
    preset: str | None = None
    workers: int = 0
    wait_seconds: float = 0.0


def run_train(home: Home, options: TrainOptions, *, show: bool = False) -> dict[str, Any]:
    """
    Train the classifiers that are not up to date, then score with them; returns what ``--json`` prints.

    Raises
    ------
    TrainingError, LeakError, RefreshError, SettingsError, HomeBusyError, WarehouseError
        If it cannot start or go on; models that were trained are kept.
    """
    from needle_assets.orchestration.jobs.training import models_trained
    from needle_assets.orchestration.local import record
    from needle_assets.pipeline.train import train_folds  # a refresh does without

    with _opened(home, options, what="training", show=show) as session:
        report = train_folds(session, options.ablations or None)
        _score(session)
        session.publish()
        with _only_showing(session):
            record(home, models_trained(report))
        scored = {_asset(table): asdict(done) for table, done in session.reports.items()}
        warnings = (
            [str(row[0]) for row in exploring.ask(home.published, questions.WARNINGS)[1]] if is_published(home.published) else []
        )
        told = {"warnings": warnings, "problems": list(session.problems)}
        return {**asdict(report), "assets": scored, **told, "published": _published(session)}


def _score(session: Session) -> None:
    """Bring up to date what is computed from models; a home whose training set was imported has no landing folder to look at."""
    if not session.home.imported.exists():
        _work(session, SCORING, RefreshOptions())
    elif plan.needs_work(session, session.stages):
        from needle_assets.orchestration.local import run_job

        run_job(session, session.stages, landing=session.home.path)


@contextmanager
def _only_showing(session: Session) -> "Iterator[None]":
    """What only shows something in Dagster undoes nothing that is stored: an error becomes a problem that is told."""
    try:
        yield
    except Exception as error:
        session.problems.append(f"Dagster could not be told of the training, whose models are stored: {error}")


def run_train_quality(home: Home, options: TrainOptions, *, show: bool = False) -> dict[str, Any]:
    """
    Train the quality checkers that are not up to date; returns what ``--json`` prints. The next refresh scores with the chosen one.

    Raises
    ------
    RefreshError, SettingsError, HomeBusyError, WarehouseError
        If it cannot start or go on; networks that were trained are kept.
    """
    from needle_assets.orchestration.jobs.training import checkers_trained
    from needle_assets.orchestration.local import record
    from needle_assets.pipeline.train_quality import train_quality  # a refresh does without

    with _opened(home, options, what="training", show=show) as session:
        report = train_quality(session)
        session.publish()
        with _only_showing(session):
            record(home, checkers_trained(report, exploring.frame(home.published, CHECKERS)))
        return {**asdict(report), "problems": list(session.problems), "published": _published(session)}


def run_report(home: Home, folder: Path | None) -> Path:
    """Write the report page beside the warehouse or into ``folder``; returns its path."""
    from needle_assets.report.page import write_report  # matplotlib

    return write_report(home.published, folder or home.path / "report")


@contextmanager
def _opened(
    home: Home, options: RefreshOptions | TrainOptions, *, what: str = "refresh", accept_loss: bool = False, show: bool
) -> "Iterator[Session]":
    """A session in a home that is held, and bound to its preset, until the end."""
    with (
        home.prepare().lock(wait_seconds=options.wait_seconds, what=what),
        kept_open(home.working, what=what, wait_seconds=options.wait_seconds),
        shown_progress(show) as progress,
    ):
        settings = home.settings(options.preset)
        home.remember_preset(settings.preset)
        session = Session(home, settings, workers=options.workers, progress=progress, accept_loss=accept_loss).open()
        try:
            yield session
        finally:
            session.close()


@contextmanager
def shown_progress(show: bool) -> "Iterator[Progress]":
    """Bars with time left on a terminal; nothing elsewhere."""
    if not show or not sys.stderr.isatty():
        yield lambda _what, _done, _total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns = (TextColumn("{task.description:<24}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Bars(*columns, console=Console(stderr=True), transient=True) as bars:
        tasks: dict[str, Any] = {}

        def update(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(what, total=total)
            bars.update(tasks[what], completed=done, total=total)

        yield update


NOTHING = (0, 0, 0)  # of a product of objects, where there are none


def read_status(home: Home) -> dict[str, Any]:
    """What ``needle status`` prints: stale = computed before from something else; missing = never computed."""
    if home.path.exists() and not home.path.is_dir():
        raise RefreshError(
            f"{home.path} is no folder; set NEEDLE_HOME to the folder of a home, or to one that does not exist yet."
        )
    if not home.working.exists() and not is_published(home.published):
        raise RefreshError(f"{home.path} holds no warehouse yet; run `needle refresh --landing FOLDER` to fill it.")
    backups.require_working(home.working, home.published, home.backups)
    session = Session(home, home.settings())
    folder = home.landing()
    counts, rejections, objects = plan.status(session)
    return {
        "home": str(home.path),
        "landing": str(folder) if folder else None,
        "objects": objects,
        "stale": {_asset(stage.table): counts.get(stage.table, NOTHING)[0] for stage in STAGES if not stage.is_on_demand},
        "missing": {_asset(stage.table): counts.get(stage.table, NOTHING)[1] for stage in STAGES if not stage.is_on_demand},
        "on_demand": {_asset(stage.table): sum(counts.get(stage.table, NOTHING)[:2]) for stage in STAGES if stage.is_on_demand},
        "rejections": {_asset(stage): count for stage, count in rejections.items()},
        "files": read_landing.standing_files(session).as_dict(),
        "blocked": {found.check.name: str(found) for found in session.claims.broken()},
        "warnings": list(map(str, session.claims.doubtful())),
        "unread_files": len(read_landing.changed_files(session, folder)) if folder and folder.is_dir() else 0,
        "behind": asdict(plan.behind(session)),
    }


def _asset(table: str) -> str:
    """A table as assets are named: core.masks -> core/masks."""
    return table.replace(".", "/")
