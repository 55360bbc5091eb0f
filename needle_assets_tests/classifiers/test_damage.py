"""Damage made on purpose: it does what its name says, where its mask says."""

import numpy as np
import pytest

from needle_assets.classifiers.damage import HELD_OUT_KINDS, KINDS, RULE_KINDS, TRAINING_KINDS, damaged


@pytest.mark.parametrize("kind", KINDS)
def test_only_pixels_of_the_mask_change_much(kind, rng):
    image = rng.normal(100.0, 5.0, (60, 60))
    for _ in range(5):
        changed, touched = damaged(image, kind, rng)
        assert touched.any()
        assert changed.shape == (60, 60)
        assert np.abs(changed - image)[~touched].max(initial=0.0) <= 0.51 * 5.3
        assert (np.abs(changed - image)[touched] > 0).any() or np.isnan(changed[touched]).any()


@pytest.mark.parametrize("kind", KINDS)
def test_damage_is_repeatable_and_leaves_its_input(kind, rng):
    image = rng.normal(100.0, 5.0, (60, 60))
    before = image.copy()
    one, other = (damaged(image, kind, np.random.default_rng(3))[0] for _ in range(2))
    assert np.array_equal(one, other, equal_nan=True)
    assert np.array_equal(image, before)


def test_no_kind_is_both_trained_on_and_judged_on():
    assert not (TRAINING_KINDS.keys() & HELD_OUT_KINDS.keys())
    assert not (RULE_KINDS.keys() & (TRAINING_KINDS.keys() | HELD_OUT_KINDS.keys()))
    assert len(KINDS) == len(RULE_KINDS) + len(TRAINING_KINDS) + len(HELD_OUT_KINDS)
