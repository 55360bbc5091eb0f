"""Damage made on purpose: it does what its name says, where its mask says."""

import json
from pathlib import Path

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


KEPT = Path(__file__).with_name("damage.json")


def described(kind: str) -> list[list[float]]:
    """Of six stamps: how many pixels were touched, how many are missing, and three sums that tell place and strength."""
    found = []
    for seed in range(6):
        image = np.random.default_rng([seed, 7]).normal(100.0, 5.0, (60, 60))
        rows, columns = np.mgrid[:60, :60]
        image += 400.0 * np.exp(-((columns - 20 - 3 * seed) ** 2 + (rows - 40) ** 2) / 4.0)
        changed, touched = damaged(image, kind, np.random.default_rng([seed, 8]))
        difference = np.nan_to_num(changed) - image
        sums = [(difference * weight).sum() for weight in (1.0, rows / 60.0, (columns / 60.0) ** 2)]
        found.append([int(touched.sum()), int(np.isnan(changed).sum()), *(float(f"{value:.8g}") for value in sums)])
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_damage_is_what_the_checkers_and_rules_of_the_docs_were_judged_on(kind):
    """Whoever means to change it runs ``python -m needle_assets_tests.classifiers.test_damage`` and the figures of docs/images.md."""
    np.testing.assert_allclose(described(kind), json.loads(KEPT.read_text(encoding="utf-8"))[kind], rtol=1e-6, atol=1e-6)


if __name__ == "__main__":
    KEPT.write_text(json.dumps({kind: described(kind) for kind in KINDS}, indent=0) + "\n", encoding="utf-8")
