"""Maps of the Milky Way's reddening that landed: two FITS files, one for each galactic hemisphere."""

import hashlib
import importlib.util
from pathlib import Path

import numpy as np
import polars as pl
from astropy.io import fits

from needle_assets.errors import Rejection
from needle_assets.landing.values import shown

WITHOUT_PACKAGE = (
    "maps of dust have landed, but the package that reads them is not installed; install it with `pip install needle_assets[dust]`, or "
    "take the folder dust/ away"
)
AGAIN = "get it again with `needle fetch dust`"
LARGEST_MAG = 1000.0


def read_dust(path: Path, _notices: list[str]) -> tuple[pl.DataFrame, list[Rejection]]:
    """
    What the two maps are: one row that changes when one of them does.

    Raises
    ------
    Rejection
        If one of them is not there, cut short or no such map, or the package that reads them is missing. OSError if one cannot be opened.
    """
    if importlib.util.find_spec("sfdmap2") is None:
        raise Rejection(f"{WITHOUT_PACKAGE}.")
    south = south_of(path)
    if not south.is_file():
        raise Rejection(f"{path.parent.name}/{south.name} is not there; both maps are needed, `needle fetch dust` gets them.")
    for file, sign in ((path, 1), (south, -1)):
        check_map(file, sign)
    return pl.DataFrame({"object_id": ["SFD"], "sha256": [hash_of_maps(path)]}), []


def south_of(north: Path) -> Path:
    """The map of the southern hemisphere beside that of the northern one."""
    return north.with_name(north.name.replace("ngp", "sgp").replace("NGP", "SGP"))


def hash_of_maps(north: Path) -> str:
    """SHA-256 over both maps."""
    digest = hashlib.sha256()
    for path in (north, south_of(north)):
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def check_map(path: Path, sign: int) -> None:
    """Raise Rejection if a file is no whole map of E(B-V) in Lambert's projection around the pole of ``sign`` (north 1, south -1)."""
    with path.open("rb") as file:
        try:
            header = fits.Header.fromfile(file)
            n_px, is_square = header["NAXIS1"], header["NAXIS1"] == header["NAXIS2"] and header["NAXIS"] == 2
            is_map = is_square and header["BITPIX"] == -32 and {"CRPIX1", "CRPIX2", "LAM_SCAL"} <= set(header)
            its_sign = header["LAM_NSGP"]
        except (OSError, EOFError, KeyError, ValueError) as error:
            raise Rejection(f"{path.name} is no map of dust ({shown(str(error))}); {AGAIN}.") from error
        if not is_map or its_sign != sign or not 2 <= n_px <= 2**15:
            pole = "northern" if sign > 0 else "southern"
            raise Rejection(f"{path.name} is no square map of E(B-V) around the {pole} galactic pole; {AGAIN}.")
        values = np.fromfile(file, dtype=">f4", count=n_px * n_px)
    if len(values) < n_px * n_px:
        raise Rejection(f"{path.name} is cut short: it holds {len(values)} of {n_px * n_px} pixels; {AGAIN}.")
    if not (values.min() >= 0 and values.max() <= LARGEST_MAG):  # False where one is NaN
        raise Rejection(f"{path.name} holds values that are no reddening; {AGAIN}.")
