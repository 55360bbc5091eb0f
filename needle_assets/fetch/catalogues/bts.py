"""The catalogue of the Bright Transient Survey, from its explorer's CSV export: one request for the whole of ``bts.csv``."""

from pathlib import Path

from needle_assets.errors import Rejection
from needle_assets.fetch.around import AnswerError, Around, DamagedError, FetchError
from needle_assets.fetch.folder import LandingFolder
from needle_assets.fetch.run import FetchSummary, Run, running
from needle_assets.fetch.service import Service
from needle_assets.landing.catalogues import read_catalogue
from needle_assets.landing.names import CATALOGUE_NAME
from needle_assets.settings import Settings

# Of an export's columns these must be there, or it is something else.
NEEDED_COLUMNS = ("ztfid", "ra", "dec", "type", "peakt", "redshift")


def fetch_bts(landing: Path, *, settings: Settings, around: Around | None = None) -> FetchSummary:
    """
    Replace the folder's ``bts.csv`` by the explorer's present export, as it came.

    An answer that is no catalogue, ends in the middle of a row, or holds far fewer objects than the file that lies there
    (``smallest_catalogue_fraction``) changes nothing: objects that vanish from the catalogue vanish from the warehouse.
    """
    around = around or Around()
    manners = settings.fetch
    with running("bts", landing, settings, around) as run, Service("the BTS explorer", manners.bts, manners, around) as service:
        run.wanted = ("catalogue",)
        known = _known_objects(run.folder)
        run.each(run.wanted, lambda name: run.attempt(name, lambda: _fetch(run, service, known), of=(name,)), "catalogues")
    return run.summary(service)


def _fetch(run: Run, service: Service, known: set[str]) -> None:
    content = service.ask("", _whole)
    found = _objects_in(run.folder, content)
    smallest = run.settings.fetch.smallest_catalogue_fraction
    if len(found) < smallest * len(known):
        raise AnswerError(
            f"{service.name}: the export holds {len(found)} objects, {CATALOGUE_NAME} here {len(known)}; fewer than "
            f"{smallest:.0%} of them are not believed. If it is right, set fetch.smallest_catalogue_fraction lower."
        )
    run.folder.write(run.folder.path / CATALOGUE_NAME, content)
    run.objects = len(found - known)
    run.finish("catalogue", n_objects=len(found))


def _whole(content: bytes) -> bytes:
    """The export, if it has a catalogue's header and its last row is whole."""
    lines = content.decode("utf-8", "replace").splitlines()
    header = [name.strip().strip('"').lower() for name in lines[0].split(",")] if lines else []
    missing = [name for name in NEEDED_COLUMNS if name not in header]
    if missing:
        raise AnswerError(f"the answer of {len(content)} bytes is no BTS catalogue: it has no column {', '.join(missing)}.")
    if len(lines) < 2 or lines[-1].count(",") < len(header) - 1:
        raise DamagedError(f"the export ends in the middle of row {len(lines) - 1}.")
    return content


def _objects_in(folder: LandingFolder, content: bytes) -> set[str]:
    """Ids in an export, read exactly as the landing folder's reader will."""
    unfinished = folder.answers / f".{CATALOGUE_NAME}.part"
    unfinished.write_bytes(content)
    try:
        return {row["object_id"] for row in read_catalogue(unfinished)[0]}
    except Rejection as why:
        raise AnswerError(why.reason) from None
    finally:
        unfinished.unlink()


def _known_objects(folder: LandingFolder) -> set[str]:
    try:
        return {row["object_id"] for row in folder.catalogue()}
    except FetchError:  # what lies here cannot be read; a new export mends it
        return set()
