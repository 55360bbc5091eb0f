"""Maps of the Milky Way's reddening (Schlegel, Finkbeiner & Davis 1998): two files of 64 MB that never change, fetched once."""

from pathlib import Path

from needle_assets.errors import Rejection
from needle_assets.fetch.around import AnswerError, Around
from needle_assets.fetch.download import Download
from needle_assets.fetch.run import FetchSummary, Run, running
from needle_assets.fetch.service import Service
from needle_assets.landing.dust import check_map
from needle_assets.landing.names import DUST_FOLDER, DUST_NORTH, DUST_SOUTH
from needle_assets.settings import Settings

# The northern one last: the reader of the landing folder looks at both when it is there.
MAPS = {DUST_SOUTH: -1, DUST_NORTH: 1}


def fetch_dust(landing: Path, *, settings: Settings, around: Around | None = None) -> FetchSummary:
    """
    Put the two maps into the folder's ``dust/``, as they come; what lies there whole is not asked for again.

    A connection that breaks goes on where it broke; a file that is no such map changes nothing.
    """
    around = around or Around()
    manners = settings.fetch
    with running("dust", landing, settings, around) as run, Service("the maps of dust", manners.dust, manners, around) as service:
        run.wanted = tuple(name for name in MAPS if not _is_there(run, name))
        run.each(run.wanted, lambda name: run.attempt(name, lambda: _fetch(run, service, name), of=(name,)), "maps")
        if all(_is_there(run, name) for name in MAPS):
            run.notes.append(f"both maps lie in {DUST_FOLDER}/; the next refresh uses them")
    return run.summary(service)


def _is_there(run: Run, name: str) -> bool:
    try:
        check_map(run.folder.path / DUST_FOLDER / name, MAPS[name])
    except (OSError, Rejection):
        return False
    return True


def _fetch(run: Run, service: Service, name: str) -> None:
    since = run.around.clock()
    download = Download(service, f"/{name}", lambda n, total: run.tell(f"MB of {name}", n // 10**6, total // 10**6, since=since))
    try:
        content = download.read()
    finally:
        download.close()
    _check(run, name, content)
    run.folder.write(run.folder.path / DUST_FOLDER / name, content)
    run.finish(name, n_bytes=len(content))


def _check(run: Run, name: str, content: bytes) -> None:
    unfinished = run.folder.answers / f".{name}"
    unfinished.write_bytes(content)
    try:
        check_map(unfinished, MAPS[name])
    except Rejection as why:
        raise AnswerError(why.reason) from None
    finally:
        unfinished.unlink()
