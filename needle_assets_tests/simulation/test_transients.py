"""Light curves of simulated transients against what they were drawn from."""

import numpy as np
import pytest
from astropy.cosmology import FlatLambdaCDM

from needle_assets.labels import SLSN, SN, TDE
from needle_assets.simulation.transients import (
    POPULATIONS,
    Transient,
    apparent_minus_absolute_mag,
    draw_transient,
)

DAYS = np.arange(-120.0, 300.0, 0.25)


def drawn(label: str, n: int, a_v_mag: float = 0.0) -> list[Transient]:
    rng = np.random.default_rng(3)
    return [draw_transient(label, a_v_mag, rng) for _ in range(n)]


@pytest.mark.parametrize("label", [SN, SLSN, TDE, "other"])
def test_the_brightest_apparent_magnitude_is_the_one_drawn(label: str) -> None:
    for transient in drawn(label, 10, a_v_mag=0.3):
        brightest = min(transient.mag(DAYS, band).min() for band in ("g", "r"))
        assert brightest == pytest.approx(transient.peak_mag, abs=0.01)


def test_the_redshift_puts_the_absolute_magnitude_at_the_apparent_one() -> None:
    for transient in drawn(SLSN, 20, a_v_mag=0.2):
        distance_mag = apparent_minus_absolute_mag(transient.redshift)
        assert transient.abs_mag + distance_mag + 0.2 == pytest.approx(transient.peak_mag, abs=2e-3)


def test_the_hubble_diagram_is_astropys_with_the_papers_cosmology() -> None:
    expected = FlatLambdaCDM(H0=67.7, Om0=0.31).distmod(0.24).value - 2.5 * np.log10(1.24)
    assert apparent_minus_absolute_mag(0.24) == pytest.approx(expected, abs=1e-3)


def test_extinction_dims_g_by_1176_and_r_by_0778_of_a_v() -> None:
    clear, dusty = drawn(SN, 1)[0], drawn(SN, 1, a_v_mag=1.0)[0]
    colour = {name: t.mag(np.array([0.0]), "g") - t.mag(np.array([0.0]), "r") for name, t in (("clear", clear), ("dusty", dusty))}
    # The dusty one is nearer for the same apparent peak, which changes its colour by a few hundredths.
    assert float((colour["dusty"] - colour["clear"])[0]) == pytest.approx(1.1763 - 0.7781, abs=0.05)


def test_flux_is_half_at_the_rise_time_where_the_colour_does_not_change() -> None:
    tde = drawn(TDE, 1)[0]
    early = -tde.rise_days * (1.0 + tde.redshift)
    assert tde.mag(np.array([early]), "r")[0] - tde.mag(np.array([0.0]), "r")[0] == pytest.approx(0.7526, abs=1e-3)


def test_tde_keep_their_colour_and_supernovae_redden() -> None:
    change = {}
    for label in (TDE, SN):
        t = drawn(label, 1)[0]
        g_r = t.mag(np.array([0.0, 30.0]), "g") - t.mag(np.array([0.0, 30.0]), "r")
        change[label] = g_r[1] - g_r[0]
    assert abs(change[TDE]) < 0.01 < 0.2 < change[SN]


def test_superluminous_supernovae_are_brighter_farther_and_slower() -> None:
    ordinary, superluminous = drawn(SN, 150), drawn(SLSN, 150)
    assert np.median([t.abs_mag for t in superluminous]) < np.median([t.abs_mag for t in ordinary]) - 1.5
    assert np.median([t.redshift for t in superluminous]) > 2.0 * np.median([t.redshift for t in ordinary])
    assert np.median([t.rise_days for t in superluminous]) > 2.0 * np.median([t.rise_days for t in ordinary])


def test_every_population_has_shares_that_add_up() -> None:
    for label in {kind.label for kind in POPULATIONS.values()}:
        assert sum(kind.weight for kind in POPULATIONS.values() if kind.label == label) == pytest.approx(1.0)
    assert all(sum(kind.types.values()) == pytest.approx(1.0) for kind in POPULATIONS.values())
