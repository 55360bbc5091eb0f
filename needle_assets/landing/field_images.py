"""Images of the field around an object: FITS files of the folder ``field_images``, each named after object and band."""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from needle_assets.errors import Rejection
from needle_assets.images.cutouts import MAX_FITS_BYTES
from needle_assets.landing.folder import LandingFile
from needle_assets.landing.values import shown
from needle_assets.surveys.known import SURVEYS, id_examples, is_object_id

_NAME = re.compile(r"(?P<object_id>[A-Za-z0-9]{1,40})_(?P<band>[a-z])\.fits(\.gz)?")


@dataclass(frozen=True)
class FoundImage:
    """An image of a field: where it lies, and of what it says it is."""

    path: str
    object_id: str
    band: str
    sha256: str
    size_bytes: int


def find_image(folder: Path, file: LandingFile) -> FoundImage:
    """
    What a file of ``field_images`` is, from its name.

    Raises
    ------
    Rejection
        If its name says no object and band, or it is larger than any image that is read, or cannot be read now.
    """
    named = _NAME.fullmatch(file.path.rpartition("/")[2])
    if named is None or not is_object_id(named["object_id"]) or named["band"] not in _bands():
        raise Rejection(
            f"the name {shown(file.path.rpartition('/')[2])} says no object and band; OBJECT_BAND.fits is needed, with an id like "
            f"{id_examples()} and one of {', '.join(_bands())}."
        )
    if file.size > MAX_FITS_BYTES:
        raise Rejection(f"the file has {file.size} bytes; at most {MAX_FITS_BYTES} are read.", n_bytes=file.size)
    try:
        data = (folder / file.path).read_bytes()
    except OSError as error:
        why = Rejection(f"the file cannot be read ({error.strerror}); it is tried again by the next refresh.")
        why.is_passing = True
        raise why from error
    return FoundImage(file.path, named["object_id"], named["band"], hashlib.sha256(data).hexdigest(), len(data))


def _bands() -> list[str]:
    return list(dict.fromkeys(band for survey in reversed(SURVEYS.values()) for band in survey.bands))
