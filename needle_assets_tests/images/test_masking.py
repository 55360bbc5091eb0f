"""What is kept of a pair, and what the rest becomes."""

from dataclasses import replace

import numpy as np
import pytest
from astropy.stats import sigma_clipped_stats

from needle_assets.images.masking import background_noise, density_adjustment, masked_pair, source_mask
from needle_assets.images.sources import label_clusters, within_px
from needle_assets.settings import MaskSettings, preset_settings
from needle_assets_tests.images.examples import star
from needle_assets_tests.images.pins import hold

TARGET = (30.0, 30.0)


def turned_place(place, quarters):
    for _ in range(quarters):
        place = (place[1], 59 - place[0])
    return place


def central_source(image, target_px):
    """The 8-connected pixels above 3 sigma that come within a pixel of the target."""
    _, level, sigma = sigma_clipped_stats(image)
    labels, _ = label_clusters(image > level + 3 * sigma)
    near = np.unique(labels[within_px(image.shape, target_px, 1.5)])
    return np.isin(labels, near[near > 0])


def test_the_centre_is_kept_on_blank_sky(blank):
    found = source_mask(blank, blank, target_px=TARGET)
    assert found.n_kept == 9
    assert found.mask[29:32, 29:32].all()
    assert found.n_sources_removed == 0


def test_transient_and_host_stay_and_a_neighbour_goes(blank):
    science = blank + star(30, 30, 300.0) + star(37, 33, 200.0, width_px=1.5) + star(10, 50, 900.0)
    found = source_mask(science, blank, target_px=TARGET, host_px=(37.0, 33.0))
    assert found.mask[30, 30]
    assert found.mask[33, 37]
    assert not found.mask[50, 10]
    assert (found.host_state, found.n_sources_removed, found.is_blended) == ("found", 1, False)


def test_a_host_seen_only_in_the_deeper_reference_is_kept(blank):
    found = source_mask(blank, blank + star(36, 30, 60.0, width_px=1.5), target_px=TARGET, host_px=(36.0, 30.0))
    assert found.mask[30, 36]
    assert found.host_state == "found"


@pytest.mark.parametrize(("host_px", "state"), [(None, "none"), ((45.0, 30.0), "not_detected"), ((75.0, 30.0), "outside")])
def test_hosts_without_a_source_are_recorded(blank, host_px, state):
    found = source_mask(blank, blank, target_px=TARGET, host_px=host_px)
    assert (found.host_state, found.n_kept, found.touches_border) == (state, 9, False)


def test_a_rival_peak_is_a_blend(blank):
    science = blank + star(30, 30, 300.0) + star(36, 30, 280.0, width_px=1.5)
    assert source_mask(science, blank, target_px=TARGET).is_blended
    assert not source_mask(science, blank, target_px=TARGET, host_px=(36.0, 30.0)).is_blended


def test_a_source_that_fills_the_stamp_is_kept_as_a_blend(blank):
    found = source_mask(blank + star(30, 30, 900.0, width_px=14.0), blank, target_px=TARGET)
    assert found.is_blended
    assert found.mask[20:41, 20:41].all()


def test_a_host_at_the_edge_touches_the_border(blank):
    found = source_mask(blank + star(30, 55, 900.0, width_px=8.0), blank, target_px=TARGET, host_px=(30.0, 55.0))
    assert found.touches_border
    assert found.mask[59, 30]


def light_from_outside(x_px, y_px, scale_px=4.0, peak=4000.0):
    """A round exponential disc whose centre may lie outside the stamp."""
    rows, columns = np.mgrid[:60, :60]
    return peak * np.exp(-np.hypot(columns - x_px, rows - y_px) / scale_px)


@pytest.mark.parametrize("host_px", [(-12.0, 22.0), (71.0, 22.0), (40.0, -12.0), (68.0, 68.0)])
def test_light_that_reaches_in_from_a_host_outside_is_kept(blank, host_px):
    light = light_from_outside(*host_px)
    found = source_mask(blank, blank + light, target_px=TARGET, host_px=host_px)
    assert not (found.replaced & (light > 4 * 5.0)).any()
    assert (found.host_state, found.touches_border, found.is_blended) == ("outside", True, False)


def test_a_neighbour_at_the_edge_that_faces_the_host_is_erased(blank):
    science = blank + star(5, 22, 900.0, width_px=2.0)
    found = source_mask(science, blank, target_px=TARGET, host_px=(-12.0, 22.0))
    assert not found.mask[22, :8].any()
    assert found.n_sources_removed == 1


def test_a_star_cut_by_the_edge_does_not_lie_around_a_host_outside(blank):
    found = source_mask(blank + star(-1, 27, 900.0), blank, target_px=TARGET, host_px=(-20.0, 22.0))
    assert (found.n_kept, found.n_sources_removed) == (9, 1)


def test_light_at_an_edge_that_does_not_face_the_host_is_erased(blank):
    found = source_mask(blank, blank + light_from_outside(71.0, 22.0), target_px=TARGET, host_px=(-12.0, 22.0))
    assert found.n_kept == 9


def test_a_star_upon_light_from_outside_is_a_blend(blank):
    reference = blank + light_from_outside(-12.0, 22.0) + star(8, 26, 200.0)
    found = source_mask(blank, reference, target_px=TARGET, host_px=(-12.0, 22.0))
    assert found.mask[22, 0]
    assert found.is_blended


def test_the_paper_keeps_nothing_of_a_host_outside(blank):
    settings, light = preset_settings("paper").masking, light_from_outside(-12.0, 22.0)
    assert source_mask(blank, blank + light, target_px=TARGET, host_px=(-12.0, 22.0), settings=settings).n_kept == 9


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_a_turned_host_outside_gives_the_turned_mask(blank, quarters):
    images, host_px = (blank, blank + light_from_outside(-12.3, 20.6)), (-12.3, 20.6)
    found = source_mask(*images, target_px=TARGET, host_px=host_px)
    target, host = turned_place(TARGET, quarters), turned_place(host_px, quarters)
    turned = source_mask(*(np.rot90(image, quarters) for image in images), target_px=target, host_px=host)
    assert found.n_kept > 100
    assert np.array_equal(turned.mask, np.rot90(found.mask, quarters))


def test_masks_of_real_pairs_keep_centre_transient_and_host(good_real_pairs):
    assert len(good_real_pairs) >= 300
    n_host = n_host_lost = 0
    for pair in good_real_pairs:
        found = source_mask(pair.science, pair.reference, target_px=pair.target_px)
        host = central_source(pair.reference, pair.target_px)
        assert found.mask[29:32, 29:32].all()
        assert not (central_source(pair.science, pair.target_px) & found.replaced).any()
        n_host, n_host_lost = n_host + host.sum(), n_host_lost + (host & found.replaced).sum()
    assert n_host_lost <= 0.01 * n_host


@pytest.mark.parametrize("host_px", [(36.3, 25.1), (-9.7, 41.2)])
def test_a_turned_real_pair_gives_the_turned_mask(good_real_pairs, host_px):
    for pair in good_real_pairs[::4]:
        found = source_mask(pair.science, pair.reference, target_px=pair.target_px, host_px=host_px)
        for quarters in (1, 2, 3):
            target, host = turned_place(pair.target_px, quarters), turned_place(host_px, quarters)
            images = (np.rot90(pair.science, quarters), np.rot90(pair.reference, quarters))
            turned = source_mask(*images, target_px=target, host_px=host)
            assert np.array_equal(turned.mask, np.rot90(found.mask, quarters))
            assert turned[2:] == found[2:]


def test_replaced_pixels_look_like_sky(rng):
    science = rng.normal(100.0, 5.0, (60, 60)) + star(30, 30, 300.0) + star(12, 12, 2000.0)
    reference = rng.normal(40.0, 2.0, (60, 60)) + star(12, 12, 2000.0)
    found = source_mask(science, reference, target_px=TARGET)
    drawn = np.concatenate([masked_pair(science, reference, found.replaced, rng=rng).science[found.replaced] for _ in range(20)])
    assert abs(drawn.mean() - 100.0) < 0.05 * 5.0
    assert drawn.std() == pytest.approx(5.0, rel=0.05)


def test_kept_science_pixels_are_untouched(blank, rng):
    science = blank + star(30, 30, 300.0)
    found = source_mask(science, blank, target_px=TARGET)
    assert np.array_equal(masked_pair(science, blank, found.replaced, rng=rng).science[found.mask], science[found.mask])


def test_the_masked_reference_has_the_moments_of_science(blank, rng):
    science = 3.0 * blank + star(30, 30, 300.0)
    pair = masked_pair(science, blank, source_mask(science, blank, target_px=TARGET).replaced, rng=rng)
    assert pair.reference.mean() == pytest.approx(pair.science.mean())
    assert pair.reference.std() == pytest.approx(pair.science.std())
    assert np.array_equal(pair.reference_unmasked, blank)


def test_a_constant_reference_keeps_its_scale():
    gain, offset = density_adjustment(np.full((3, 3), 7.0), np.arange(9.0).reshape(3, 3))
    assert (gain, offset) == (1.0, -3.0)


def test_missing_pixels_become_noise(blank, rng):
    holed = blank.copy()
    holed[:10, :10] = np.nan
    pair = masked_pair(holed, holed, source_mask(holed, holed, target_px=TARGET).replaced, rng=rng)
    assert all(np.isfinite(image).all() for image in pair)


def test_equation_3_makes_replaced_sky_darker_and_smoother(blank):
    by_equation, even = (background_noise(blank, MaskSettings(noise=kind)) for kind in ("eq3", "symmetric"))
    assert by_equation.mean() < even.mean() - 0.2 * 5.0
    assert by_equation.std() < 0.85 * even.std()


def test_only_sources_can_be_replaced_and_the_sky_left(blank):
    science = blank + star(30, 30, 300.0) + star(10, 50, 900.0)
    found = source_mask(science, blank, target_px=TARGET, settings=MaskSettings(replace="sources"))
    assert found.replaced[50, 10]
    assert not (found.replaced & found.mask).any()
    assert found.replaced.mean() < 0.05


def test_a_block_at_an_undetected_host_can_be_kept(blank):
    settings = MaskSettings(is_host_block_kept=True)
    assert source_mask(blank, blank, target_px=TARGET, host_px=(45.0, 20.0), settings=settings).mask[19:22, 44:47].all()


def test_no_rim_is_kept_where_none_is_asked_for(blank):
    science = blank + star(30, 30, 300.0)
    bare = source_mask(science, blank, target_px=TARGET, settings=replace(MaskSettings(), grow_px=0))
    assert bare.mask.sum() < source_mask(science, blank, target_px=TARGET).mask.sum()


def test_the_authors_way_erases_what_ours_keeps(good_real_pairs):
    needle2 = preset_settings("needle2").masking
    lost = [
        (
            central_source(p.science, p.target_px)
            & source_mask(p.science, p.reference, target_px=p.target_px, settings=needle2).replaced
        ).any()
        for p in good_real_pairs[::3]
    ]
    assert np.mean(lost) > 0.05


def test_the_authors_host_outside_is_moved_onto_the_border(blank):
    needle2 = preset_settings("needle2").masking
    assert source_mask(blank, blank, target_px=TARGET, host_px=(90.0, 30.0), settings=needle2).touches_border


def test_the_authors_noise_leaves_out_a_block_at_the_target(blank, rng):
    marked = blank.copy()
    marked[30, 30] = 101.23456
    pair = masked_pair(marked, marked, np.zeros((60, 60), bool), rng=rng, settings=preset_settings("needle2").masking)
    assert 101.23456 not in pair.science_noise


def test_what_masking_gives_is_what_the_figures_of_the_docs_rest_on():
    hold("masking")


@pytest.mark.parametrize("place", [(30.0, 1.0), (30.0, 58.0), (1.0, 30.0), (58.0, 30.0)])
def test_a_host_at_any_of_the_four_edges_touches_the_border_and_one_inside_does_not(place, blank):
    at_edge = source_mask(blank + star(*place, 300.0), blank, target_px=TARGET, host_px=place)
    assert at_edge.touches_border
    inside = tuple(min(max(value, 8.0), 51.0) for value in place)
    assert not source_mask(blank + star(*inside, 300.0), blank, target_px=TARGET, host_px=inside).touches_border
