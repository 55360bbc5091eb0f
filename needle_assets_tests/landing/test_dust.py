"""Maps of dust: both whole and of their hemispheres, or a sentence."""

import io
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from needle_assets.errors import Rejection
from needle_assets.landing import dust
from needle_assets.landing.names import DUST_NORTH, DUST_SOUTH, kind_of

SIDE_PX = 16


def dust_map(sign: int, n_px: int = SIDE_PX, value: float | None = None) -> bytes:
    """A small map in the layout of the real ones: Lambert's projection of a hemisphere, E(B-V) growing away from the pole."""
    y, x = np.indices((n_px, n_px)) - (n_px - 1) / 2
    data = np.full((n_px, n_px), value) if value is not None else 0.1 * np.hypot(x, y)
    hdu = fits.PrimaryHDU(data.astype(">f4"))
    middle = (n_px + 1) / 2
    hdu.header.update({"CRPIX1": middle, "CRPIX2": middle, "LAM_NSGP": sign, "LAM_SCAL": n_px / 2})
    out = io.BytesIO()
    hdu.writeto(out)
    return out.getvalue()


def landed(folder: Path, north: bytes | None = None, south: bytes | None = None) -> Path:
    (folder / "dust").mkdir(exist_ok=True)
    for name, content in (
        (DUST_NORTH, dust_map(1) if north is None else north),
        (DUST_SOUTH, dust_map(-1) if south is None else south),
    ):
        (folder / "dust" / name).write_bytes(content)
    return folder / "dust" / DUST_NORTH


def test_two_maps_are_one_thing_that_changes_with_each_of_them(tmp_path):
    found = dust.read_dust(landed(tmp_path), [])[0]
    again = dust.read_dust(landed(tmp_path, south=dust_map(-1, value=0.5)), [])[0]
    assert found["sha256"].to_list() != again["sha256"].to_list()
    assert (kind_of(f"dust/{DUST_NORTH}"), kind_of(f"dust/{DUST_SOUTH}")) == ("dust", "unknown")


@pytest.mark.parametrize(
    ("north", "south", "said"),
    [
        (dust_map(1)[:-2880], None, "cut short: it holds"),
        (dust_map(-1), None, "no square map of E.B-V. around the northern"),
        (None, dust_map(1), "no square map of E.B-V. around the southern"),
        (b"<html>", None, "is no map of dust"),
        (b"", None, "is no map of dust"),
        (dust_map(1, value=-1.0), None, "values that are no reddening"),
        (dust_map(1, value=np.nan), None, "values that are no reddening"),
    ],
)
def test_what_is_no_whole_map_is_refused_in_a_sentence(tmp_path, north, south, said):
    with pytest.raises(Rejection, match=said):
        dust.read_dust(landed(tmp_path, north, south), [])


def test_one_map_alone_is_not_enough(tmp_path):
    path = landed(tmp_path)
    (path.parent / DUST_SOUTH).unlink()
    with pytest.raises(Rejection, match=f"dust/{DUST_SOUTH} is not there; both maps are needed"):
        dust.read_dust(path, [])


def test_without_the_package_that_is_said_in_a_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr(dust.importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(Rejection, match=r"not installed; install it with `pip install needle_assets\[dust\]`"):
        dust.read_dust(landed(tmp_path), [])
