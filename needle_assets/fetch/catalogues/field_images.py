"""Images of the field around Rubin's objects, from the Legacy Surveys and, where those did not look, Pan-STARRS; without an account.

Documented requests: ``GET /fits-cutout?ra=..&dec=..&layer=ls-dr10&pixscale=..&bands=..&size=..`` of the Legacy Surveys' viewer, whose
pixels are all 0 where there is no image; ``GET /ps1filenames.py?ra=..&dec=..&filters=..&type=stack``, a table of file names, and
``GET /fitscut.cgi?ra=..&dec=..&size=..&format=fits&red=..``, whose fluxes are linear.
"""

from collections.abc import Collection
from functools import partial
from pathlib import Path

import numpy as np

from needle_assets.errors import Rejection
from needle_assets.fetch.around import AnswerError, Around, DamagedError, NotThereError
from needle_assets.fetch.catalogues.legacy import places_of
from needle_assets.fetch.run import FetchSummary, Run, running
from needle_assets.fetch.service import Service
from needle_assets.images.cutouts import decode_cutout
from needle_assets.landing.names import FIELD_IMAGES_FOLDER
from needle_assets.landing.values import shown
from needle_assets.settings import Settings
from needle_assets.surveys.ztf import ZTF

BANDS = ZTF.feature_bands
LAYER, LEGACY_PIXEL_ARCSEC, PS1_PIXEL_ARCSEC = "ls-dr10", 0.262, 0.25
# A stamp and some more on each side.
WIDTH_ARCSEC = 1.1 * ZTF.stamp_size_px * ZTF.pixel_scale_arcsec
SOUTHERNMOST_PS1_DEG = -30.0


def fetch_field_images(
    landing: Path, *, settings: Settings, ids: Collection[str] | None = None, around: Around | None = None
) -> FetchSummary:
    """
    Images in g and r of the fields of Rubin's objects whose packets landed, or of ``ids``, that have none in ``field_images/``.

    Where the Legacy Surveys have none, Pan-STARRS is asked; where neither has one, the notes of the summary say so.

    Raises
    ------
    FetchError
        If an id is none, or no position of it is known here.
    """
    around = around or Around()
    manners = settings.fetch
    legacy = Service("Legacy Surveys images", manners.field_images, manners, around)
    ps1 = Service("Pan-STARRS images", manners.field_images_ps1, manners, around)
    with running("field_images", landing, settings, around) as run, legacy, ps1:
        places = places_of(run, ids)
        source = _FieldImages(run, legacy, ps1)
        run.wanted = tuple(object_id for object_id in sorted(places) if source.is_due(object_id, is_named=ids is not None))
        run.each(run.wanted, lambda object_id: source.visit(object_id, *places[object_id]), "objects")
    return run.summary(legacy, ps1)


class _FieldImages:
    def __init__(self, run: Run, legacy: Service, ps1: Service) -> None:
        self._run, self._legacy, self._ps1 = run, legacy, ps1
        self._n_landed = self._n_not_covered = 0

    def is_due(self, object_id: str, *, is_named: bool) -> bool:
        """Whether an image is missing, and was not asked for in vain lately."""
        known = self._run.state["objects"].get(object_id, {})
        if all(self._path(object_id, band).exists() for band in BANDS):
            return False
        pause_seconds = 86400 * self._run.settings.fetch.ask_old_again_days
        is_old = "asked" not in known or self._run.around.clock() - known["asked"] >= pause_seconds
        return is_named or is_old or bool(known.get("again"))

    def visit(self, object_id: str, ra_deg: float, dec_deg: float) -> None:
        """Ask for the images of one object that do not lie there."""
        self._run.attempt(object_id, partial(self._object, object_id, ra_deg, dec_deg), of=(object_id,), may_be_absent=True)
        counted = {"images landed": self._n_landed, "images of fields that neither survey covers": self._n_not_covered}
        self._run.notes[:] = [f"{count} {what}" for what, count in counted.items() if count]

    def _object(self, object_id: str, ra_deg: float, dec_deg: float) -> None:
        for band in BANDS:
            path = self._path(object_id, band)
            if path.exists():
                continue
            content = self._of_either(path.stem, ra_deg, dec_deg, band)
            if content is None:
                self._n_not_covered += 1
            else:
                self._n_landed += self._run.folder.write(path, content)
        self._run.finish(object_id)

    def _of_either(self, name: str, ra_deg: float, dec_deg: float, band: str) -> bytes | None:
        """The first image that shows something; None if there is none. What is said not to be there is asked for in some more runs."""
        if self._run.is_given_up(name):
            return None
        try:
            return self._of_legacy(ra_deg, dec_deg, band) or self._of_ps1(ra_deg, dec_deg, band)
        except NotThereError:
            self._run.note_absent(name)
            raise

    def _path(self, object_id: str, band: str) -> Path:
        return self._run.folder.path / FIELD_IMAGES_FOLDER / f"{object_id}_{band}.fits"

    def _of_legacy(self, ra_deg: float, dec_deg: float, band: str) -> bytes | None:
        size = round(WIDTH_ARCSEC / LEGACY_PIXEL_ARCSEC)
        query = {"ra": f"{ra_deg:.7f}", "dec": f"{dec_deg:.7f}", "layer": LAYER, "pixscale": LEGACY_PIXEL_ARCSEC}
        return self._legacy.ask("/fits-cutout", _read_image, query=query | {"bands": band, "size": size})

    def _of_ps1(self, ra_deg: float, dec_deg: float, band: str) -> bytes | None:
        if dec_deg < SOUTHERNMOST_PS1_DEG:
            return None
        place = {"ra": f"{ra_deg:.7f}", "dec": f"{dec_deg:.7f}"}
        name = self._ps1.ask("/ps1filenames.py", partial(_file_of, band), query=place | {"filters": band, "type": "stack"})
        if name is None:
            return None
        size = round(WIDTH_ARCSEC / PS1_PIXEL_ARCSEC)
        return self._ps1.ask("/fitscut.cgi", _read_image, query=place | {"size": size, "format": "fits", "red": name})


def _read_image(content: bytes) -> bytes | None:
    """The answer, if it is a FITS image that shows something; None if nothing is in it."""
    try:
        image = decode_cutout(content)
    except Rejection as why:
        raise DamagedError(f"the answer of {len(content)} bytes is no image: {why.reason}") from None
    seen = image[np.isfinite(image)]
    return content if seen.size and seen.min() < seen.max() else None


def _file_of(band: str, content: bytes) -> str | None:
    """The name of the stack in a table of names; None if there is none."""
    lines = [line.split() for line in content.decode("utf-8", errors="replace").splitlines() if line.strip()]
    if not lines or not {"filter", "filename"} <= set(lines[0]):
        raise AnswerError(
            f"the answer is no table of file names; it begins with {shown(content[:80].decode('utf-8', 'replace'))}."
        )
    if not content.endswith(b"\n") or any(len(line) != len(lines[0]) for line in lines[1:]):
        raise DamagedError(f"the answer of {len(content)} bytes is cut off.")
    rows = (dict(zip(lines[0], line, strict=True)) for line in lines[1:])
    return next((row["filename"] for row in rows if row["filter"] == band), None)
