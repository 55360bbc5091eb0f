"""Stamps for tests: made ones, and every packet of the real survey, placed; nothing of that is stored."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from needle_assets.errors import Rejection
from needle_assets.images.cutouts import decode_cutout
from needle_assets.images.disagreement import find_pair_defects
from needle_assets.landing.packets import read_packet
from needle_assets.surveys.clock import MJD_OFFSET
from needle_assets.surveys.ztf import ZTF
from needle_assets_tests.ztf import place_cutout


class RealPair(NamedTuple):
    """Science and reference, shape (60, 60), float32, the target's column and row, band and time [MJD]."""

    object_id: str
    candid: int
    science: np.ndarray
    reference: np.ndarray
    target_px: tuple[float, float]
    band: str
    mjd: float


def real_pairs(survey: Path) -> list[RealPair]:
    """Pairs of every packet that can be placed."""
    pairs = []
    for path in sorted((survey / "alerts").glob("*.avro")):
        packet = read_packet(path.read_bytes())
        if packet.science is None or packet.reference is None:
            continue
        at = {"xpos": packet.candidate["xpos"], "ypos": packet.candidate["ypos"]}
        try:
            science, reference = (place_cutout(decode_cutout(data), **at) for data in (packet.science, packet.reference))
        except Rejection:
            continue
        place = (science.target_x_px, science.target_y_px)
        pairs.append(
            RealPair(
                packet.object_id,
                packet.candid,
                science.image,
                reference.image,
                place,
                ZTF.band_of_number[packet.candidate["fid"]],
                packet.candidate["jd"] - MJD_OFFSET,
            )
        )
    return pairs


def good_pairs(pairs: list[RealPair]) -> list[RealPair]:
    """Those of which both images pass the rules."""
    return [pair for pair in pairs if not any(found.reasons for found in find_pair_defects(pair.science, pair.reference))]


def star(x_px: float, y_px: float, peak: float, *, width_px: float = 1.0) -> np.ndarray:
    """A Gaussian source on nothing."""
    rows, columns = np.mgrid[:60, :60]
    return peak * np.exp(-0.5 * ((columns - x_px) ** 2 + (rows - y_px) ** 2) / width_px**2)
