"""Looks into the landing folder: which files are new, what they hold, which snapshots are believed; stored in the manifest."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from needle_assets.errors import Rejection
from needle_assets.landing import folder as landing
from needle_assets.landing.found import FileReport
from needle_assets.pipeline.session import POOL_FROM_OBJECTS, RefreshError, Session
from needle_assets.warehouse.connection import writing
from needle_assets.warehouse.landed import manifest, snapshots
from needle_assets.warehouse.landed.files import FilesTold, standing, waiting_hosts

FILES_PER_TASK = 64
POOL_FROM_BYTES = 32_000_000
FILES_PER_COMMIT = 1024


def landing_folder(session: Session, given: Path | None = None) -> Path:
    """The folder to read: the one given, else the one used before. Raises RefreshError if there is none, or nothing may land."""
    if session.home.imported.exists():
        raise RefreshError(session.why_nothing_lands)
    folder = given or session.home.landing()
    if folder is None:
        raise RefreshError(f"{session.home.path} has no landing folder yet; name one with --landing FOLDER.")
    if not folder.is_dir():
        raise RefreshError(f"{folder} is not a folder; name the landing folder with --landing FOLDER.")
    if landing.catalogue_in(folder) is None:
        raise RefreshError(f"{folder} holds no bts.csv; a landing folder needs the BTS catalogue beside its alerts/.")
    return folder.resolve()


def changed_files(session: Session, folder: Path) -> list[landing.LandingFile]:
    """Files of the landing folder that were not read yet as they are now; others are no work, unless there is something to tell."""
    there = list(landing.scan(folder))
    with writing(session.home.working) as connection:
        changed = [*manifest.changed(connection, there), *snapshots.vanished(connection, there)]
    return [file for file in changed if file.kind != "unknown" or file.problem or file.notice]


def prepare_workers(session: Session, n_files: int) -> None:
    """Begin to make workers ready if so many files hold work for them."""
    if n_files > POOL_FROM_OBJECTS:
        session.pool.prepare()


def is_doubtful(session: Session) -> bool:
    """Whether a snapshot of the landing folder was not believed when it was last looked at."""
    with writing(session.home.working) as connection:
        return snapshots.is_doubtful(connection)


def scan(session: Session, folder: Path, *, accept_shrunken: bool = False) -> int:
    """
    Read what is new in the landing folder into the manifest; returns the number of files read.

    A snapshot that lost too much is believed only with ``accept_shrunken``; else it is told as a problem of the run.
    """
    from needle_assets.landing.scanning import RESCUE_SNAPSHOT, read_snapshot  # polars, which an idle refresh does without

    there = list(landing.scan(folder))
    with writing(session.home.working) as connection:
        manifest.forget_vanished(connection, there, session.stages)
        files = manifest.changed(connection, there)
        vanished = snapshots.vanished(connection, there)
    prepare_workers(session, len(files))
    session.claims.written()
    session.home.remember_landing(folder)
    _scan_packets(session, folder, [file for file in files if file.kind not in snapshots.SOURCES])
    whole = [(folder, file) for file in files if file.kind in snapshots.SOURCES]
    reading = session.pool.map(read_snapshot, whole, in_pool=False, rescue=RESCUE_SNAPSHOT)
    changed = [found for _, found in reading]
    _take_snapshots(session, [*changed, *((FileReport(file), {}) for file in vanished)], accept_shrunken=accept_shrunken)
    if any(file.kind == "hosts" for file in files):
        with writing(session.home.working) as connection:
            session.files.notices += waiting_hosts(connection)
    return len(files)


def _take_snapshots(session: Session, found: Sequence[tuple[FileReport, dict[str, str]]], *, accept_shrunken: bool) -> None:
    """Store what the changed snapshots say, but for those that are not believed."""
    limit, doubts = session.settings.landing.largest_loss_fraction, {}
    with writing(session.home.working) as connection:
        for report, hashes in found:
            doubt = snapshots.doubt(connection, report, hashes, largest_loss=limit, accept=accept_shrunken)
            if doubt is None:
                remembered = report if accept_shrunken else snapshots.with_most_held(connection, report)
                manifest.record_rows(connection, remembered, hashes, session.stages)
            else:
                doubts[report.file.path] = (report.file.kind, doubt)
                report = replace(report, rejections=[Rejection(doubt)], notices=[])
            _tell_files(session, [report])
        snapshots.settle(connection, doubts)
    session.problems += [reason for _, reason in doubts.values()]


def _scan_packets(session: Session, folder: Path, files: list[landing.LandingFile]) -> None:
    from needle_assets.landing.scanning import RESCUE_FILES, read_file  # as above

    tasks = [(folder, tuple(files[i : i + FILES_PER_TASK])) for i in range(0, len(files), FILES_PER_TASK)]
    waiting: list[FileReport] = []
    done = 0
    in_pool = len(tasks) > 1 and sum(file.size for file in files) > POOL_FROM_BYTES
    for _, reports in session.pool.map(read_file, tasks, in_pool=in_pool, rescue=RESCUE_FILES):
        waiting += reports
        _tell_files(session, reports)
        done += len(reports)
        session.progress("landing", done, len(files))
        if len(waiting) >= FILES_PER_COMMIT or done == len(files):
            with writing(session.home.working) as connection:
                manifest.record_packets(connection, waiting, session.stages)
            waiting = []


def _tell_files(session: Session, reports: Iterable[FileReport]) -> None:
    for report in reports:
        session.files.add(report.file.path, report.file.kind, len(report.packets), report.notices)
        session.files.add_rejections(report.file, report.rejections)


def standing_files(session: Session) -> FilesTold:
    """What holds of the landing folder as it was last looked at, whichever run did."""
    with writing(session.home.working) as connection:
        return standing(connection)


def objects(session: Session) -> list[str]:
    """Every object that is a partition."""
    with writing(session.home.working) as connection:
        return manifest.new_objects(connection)
