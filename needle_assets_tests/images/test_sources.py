"""Clusters of bright pixels: DBSCAN, and the faster way where it is the same."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.cluster import DBSCAN

from needle_assets.images.sources import find_sources, grown, label_clusters, within_px
from needle_assets_tests.images.examples import star
from needle_assets_tests.images.pins import hold


def by_dbscan(bright, eps_px, min_samples):
    labels = np.zeros(bright.shape, int)
    if bright.any():
        labels[bright] = DBSCAN(eps=eps_px, min_samples=min_samples).fit_predict(np.argwhere(bright)) + 1
    return labels


def same_partition(a, b):
    pairs = set(zip(a.ravel().tolist(), b.ravel().tolist(), strict=True))
    return len(pairs) == len({x for x, _ in pairs}) == len({y for _, y in pairs}) and all((x == 0) == (y == 0) for x, y in pairs)


@settings(max_examples=150)
@given(bright=arrays(bool, (14, 14)), eps_px=st.sampled_from([1.0, 1.4, 1.5, 1.9]), min_samples=st.integers(1, 3))
def test_components_are_dbscan_wherever_they_are_used(bright, eps_px, min_samples):
    labels, n = label_clusters(bright, eps_px=eps_px, min_samples=min_samples)
    assert same_partition(labels, by_dbscan(bright, eps_px, min_samples))
    assert n == labels.max()


@pytest.mark.parametrize(("eps_px", "min_samples"), [(1.5, 5), (2.5, 3), (3.0, 8)])
def test_other_parameters_go_to_dbscan(eps_px, min_samples, rng):
    bright = rng.random((40, 40)) < 0.3
    labels, _ = label_clusters(bright, eps_px=eps_px, min_samples=min_samples)
    assert same_partition(labels, by_dbscan(bright, eps_px, min_samples))


def test_labels_follow_the_first_pixel_in_rows():
    bright = np.zeros((6, 6), bool)
    bright[0, 3:6] = bright[1, 0:3] = bright[4:6, 4:6] = True
    labels, n = label_clusters(bright, eps_px=1.0)
    assert (n, labels[0, 4], labels[1, 0], labels[5, 5]) == (3, 1, 2, 3)


def test_single_bright_pixels_are_no_source(blank):
    spiked = blank.copy()
    spiked[10, 10] = spiked[30, 44] = 500.0
    assert find_sources(spiked).n == find_sources(blank).n


def test_real_masks_are_labelled_as_dbscan_does(good_real_pairs):
    for pair in good_real_pairs[:60]:
        labels = find_sources(pair.reference).labels
        assert same_partition(labels, by_dbscan(labels > 0, 1.5, 3))


def test_a_bright_star_does_not_hide_a_faint_source(blank):
    crowded = blank + star(15, 15, 60_000.0) + star(45, 45, 40.0, width_px=1.5)
    assert find_sources(crowded).labels[45, 45] > 0
    assert find_sources(crowded, clip="eq3").labels[45, 45] == 0


def test_missing_pixels_belong_to_no_source(blank):
    holed = blank + star(30, 30, 800.0)
    holed[28:33, 28:31] = np.nan
    assert not find_sources(holed).labels[np.isnan(holed)].any()


def test_growing_turns_with_the_stamp(rng):
    mask = rng.random((20, 20)) < 0.05
    assert np.array_equal(np.rot90(grown(mask, 2)), grown(np.rot90(mask), 2))
    assert grown(mask, 0) is mask


def test_places_are_column_and_row():
    assert np.argwhere(within_px((5, 6), (4.0, 1.0), 0.9)).tolist() == [[1, 4]]
    assert within_px((5, 5), (2.0, 2.0), 1.0).sum() == 5


def test_what_sources_gives_is_what_the_figures_of_the_docs_rest_on():
    hold("sources")
