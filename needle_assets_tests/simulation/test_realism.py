"""The comparison with the real survey, and its picture."""

from pathlib import Path

import numpy as np
import pytest

from needle_assets.figures.realism import StampImages, realism_montage
from needle_assets.simulation.realism import (
    as_text,
    compare,
    compare_folders,
    labelled_objects,
    main,
    read_pairs,
    stamp_rows,
)


def test_a_ratio_of_medians_worked_by_hand() -> None:
    row = compare("redshift", "SN", [0.1, 0.2, 0.3, np.nan], [0.2, 0.3])
    assert (row.real, row.simulated, row.ratio) == pytest.approx((0.2, 0.25, 1.25))
    assert row.is_within
    assert (row.n_real, row.n_simulated) == (3, 2)


@pytest.mark.parametrize(("simulated_mag", "is_within"), [(18.2, True), (18.3, False), (17.8, True), (17.7, False)])
def test_magnitudes_are_compared_as_fluxes(simulated_mag: float, is_within: bool) -> None:
    assert compare("peak magnitude [mag]", "SN", [18.0], [simulated_mag]).is_within == is_within


def test_an_empty_side_is_not_within() -> None:
    assert not compare("redshift", "TDE", [], [0.1]).is_within


def test_stamps_compared_with_themselves_agree(simulated: Path) -> None:
    pairs = read_pairs(simulated, labelled_objects(simulated))[:20]
    assert all(row.ratio == pytest.approx(1.0) for row in stamp_rows(pairs, pairs) if row.real != 0)


def test_the_table_covers_every_quantity_and_prints(simulated: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(simulated), str(simulated)]) == 0
    text = capsys.readouterr().out
    for quantity in ("detections in g", "first detection to peak", "redshift", "host offset", "sky noise", "damaged"):
        assert quantity in text
    assert "within 25 %" in text


@pytest.mark.slow
def test_the_simulated_survey_is_like_the_real_one(survey: Path, tmp_path: Path) -> None:
    from needle_assets.simulation import DEMO_MIX, simulate

    simulate(tmp_path / "survey", objects=1500, seed=5, mix=DEMO_MIX)
    outside = [row for row in compare_folders(survey, tmp_path / "survey") if not row.is_within]
    assert len(outside) <= 2, as_text(outside)


@pytest.mark.parametrize("n", [0, 3])
def test_the_montage_shows_as_many_stamps_on_each_side(n: int, rng: np.random.Generator) -> None:
    image = rng.normal(size=(63, 50))
    image[:5] = np.nan
    stamps = [StampImages(f"ZTF {i}", image, image) for i in range(5)]
    figure = realism_montage(stamps, stamps[:n])
    shown = [axis for side in figure.subfigs for axis in side.axes if axis.images]
    assert len(shown) == 4 * n
