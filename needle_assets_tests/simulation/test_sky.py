"""Hosts, fields and how the sky lies in a stamp."""

import numpy as np
import pytest
from astropy import units
from astropy.coordinates import SkyCoord

from needle_assets.labels import SLSN, SN, TDE
from needle_assets.simulation.objects import SimulatedObject
from needle_assets.simulation.sky import (
    FAINTEST_FIELD_MAG,
    draw_extinction_mag,
    draw_galaxies,
    draw_host,
    draw_position,
    draw_stars,
    galactic_latitude_deg,
    nearest_galaxy,
)
from needle_assets.simulation.transients import draw_transient
from needle_assets_tests.ztf import host_position_px


def test_the_host_falls_where_the_stamps_convention_puts_it(objects: list[SimulatedObject]) -> None:
    for one in objects:
        if one.host is not None and abs(one.dec_deg) < 80.0:
            host = one.host
            place = host_position_px(
                target_ra_deg=one.ra_deg,
                target_dec_deg=one.dec_deg,
                host_ra_deg=one.ra_deg + host.east_arcsec / 3600.0 / np.cos(np.deg2rad(one.dec_deg)),
                host_dec_deg=one.dec_deg + host.north_arcsec / 3600.0,
                target_x_px=31.0,
                target_y_px=31.0,
            )
            assert place == pytest.approx((31.0 + host.galaxies.x_px[0], 31.0 + host.galaxies.y_px[0]), abs=0.05)


def test_galactic_latitude_is_astropys() -> None:
    expected = SkyCoord(266.4, -28.9, unit=units.deg).galactic.b.deg
    assert galactic_latitude_deg(266.4, -28.9) == pytest.approx(expected, abs=0.01)


def test_positions_lie_in_the_footprint(rng: np.random.Generator) -> None:
    for ra_deg, dec_deg, latitude in (draw_position(rng) for _ in range(200)):
        assert 0.0 <= ra_deg < 360.0
        assert dec_deg > -28.0
        assert abs(latitude) > 10.0


def test_stars_and_dust_thicken_towards_the_galactic_plane(rng: np.random.Generator) -> None:
    low, high = (np.mean([len(draw_stars(b, rng).x_px) for _ in range(50)]) for b in (15.0, 70.0))
    assert low > 2.0 * high
    low, high = (np.median([draw_extinction_mag(b, rng) for _ in range(200)]) for b in (15.0, 70.0))
    assert low > 2.0 * high


def test_star_counts_rise_by_ten_to_the_022_per_magnitude(rng: np.random.Generator) -> None:
    mag = np.concatenate([draw_stars(20.0, rng).mag["r"] for _ in range(400)])
    faint, brighter = np.sum(mag < FAINTEST_FIELD_MAG), np.sum(mag < FAINTEST_FIELD_MAG - 2.0)
    assert np.log10(faint / brighter) / 2.0 == pytest.approx(0.22, abs=0.02)


def test_tde_are_nuclear_and_hosts_of_superluminous_supernovae_faint_and_small(rng: np.random.Generator) -> None:
    hosts = {
        label: [h for _ in range(150) if (h := draw_host(draw_transient(label, 0.1, rng), rng))] for label in (SN, SLSN, TDE)
    }
    assert np.median([h.separation_arcsec for h in hosts[TDE]]) < 0.15 < 1.0 < np.median([h.separation_arcsec for h in hosts[SN]])
    assert np.median([h.mag["r"] for h in hosts[SLSN]]) > np.median([h.mag["r"] for h in hosts[SN]]) + 2.0
    assert np.median([h.radius_arcsec for h in hosts[SLSN]]) < 0.5 * np.median([h.radius_arcsec for h in hosts[SN]])


def test_a_stated_share_of_superluminous_supernovae_has_no_host(rng: np.random.Generator) -> None:
    hosts = [draw_host(draw_transient(SLSN, 0.1, rng), rng) for _ in range(300)]
    assert 0.3 < np.mean([host is None for host in hosts]) < 0.55


def test_the_nearest_galaxy_is_the_nearest_bright_one(rng: np.random.Generator) -> None:
    galaxies = draw_galaxies(rng)
    found = nearest_galaxy(galaxies, 22.0)
    bright = galaxies.mag["r"] < 22.0
    assert found is not None
    assert np.hypot(found[0], found[1]) == pytest.approx(1.01 * np.hypot(galaxies.x_px, galaxies.y_px)[bright].min())
    assert nearest_galaxy(galaxies, 5.0) is None
