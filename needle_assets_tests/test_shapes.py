"""Arrays that do not belong together are refused by name, where numpy would stretch them and a wrong number come out."""

from collections.abc import Callable

import numpy as np
import pytest

from needle_assets.classifiers import attention, calibration, damage, evaluation, metrics, needle, quality
from needle_assets.classifiers.fitting import Samples
from needle_assets.images import augmentation, defects, disagreement, masking, matching, needle2, noise, restoration, sources
from needle_assets.light_curves import cleaning, extinction, gaussian_process, importance, resampling
from needle_assets.light_curves.light_curve import LightCurve
from needle_assets.samples import identity, positions, realism, scaling
from needle_assets.settings import Settings
from needle_assets.shapes import require_columns, require_images, require_lengths

IMAGE, ROW, CUBE, YES = np.ones((60, 60)), np.ones((1, 60)), np.ones((2, 60, 60)), np.ones((60, 60), dtype=bool)
TARGET = (30.0, 30.0)
RNG = np.random.default_rng(1)
UPRIGHT = augmentation.Orientation(0.0, is_flipped=False)
POINTS = LightCurve.of([1.0, 2.0, 3.0], "g", [19.0, 18.0, 19.0], 0.1)

IMAGES: dict[str, Callable[[], object]] = {
    "one image: image": lambda: defects.find_defects(CUBE),
    "one image of a mask: image": lambda: masking.background_noise(ROW[0]),
    "sky: image .*, exclude": lambda: noise.measure_sky(IMAGE, exclude=YES[:1]),
    "a side of the noise: image": lambda: noise.one_sided_noise(CUBE),
    "noise: image .*, background": lambda: noise.symmetric_noise(IMAGE, YES[:1]),
    "sources: image": lambda: sources.find_sources(CUBE),
    "clusters: bright": lambda: sources.label_clusters(CUBE > 0, eps_px=1.5, min_samples=3),
    "growing: mask": lambda: sources.grown(CUBE > 0, 2),
    "pair: science .*, reference": lambda: disagreement.find_pair_defects(IMAGE, ROW),
    "mask: science .*, reference": lambda: masking.source_mask(IMAGE, ROW, target_px=TARGET),
    "quiet sky: image": lambda: noise.measure_quiet_sky(CUBE),
    "damaged: image": lambda: damage.damaged(CUBE, "hot", RNG),
    "masked: science .*, reference .*, replaced": lambda: masking.masked_pair(IMAGE, IMAGE, YES[:1], rng=RNG),
    "filled: image .*, replaced": lambda: masking.filled(IMAGE, YES[:1], np.ones(5), RNG),
    "density: reference .*, science": lambda: masking.density_adjustment(IMAGE, ROW),
    "moments: bad .*, donor": lambda: matching.match_moments(IMAGE, ROW, invalid=~YES, donor_invalid=~YES),
    "matched: bad .*, donor": lambda: matching.match_sources(IMAGE, ROW, invalid=~YES, donor_invalid=~YES, target_px=TARGET),
    "shifted: image .*, invalid": lambda: matching.shifted(IMAGE, YES[:1], (1.0, 0.0)),
    "restored: bad .*, donor": lambda: restoration.restore(
        IMAGE, ROW, invalid=~YES, donor_invalid=~YES, target_px=TARGET, rng=RNG
    ),
    "completed: bad .*, invalid": lambda: restoration.completed(IMAGE, invalid=~YES[:1], target_px=TARGET, rng=RNG),
    "unlike: image .*, other": lambda: restoration.dissimilarity(IMAGE, ROW, data_range=1.0),
    "NEEDLE 2, mask: bad .*, good": lambda: needle2.difference_mask(IMAGE, ROW),
    "NEEDLE 2, restored: bad .*, good": lambda: needle2.restore(IMAGE, ROW),
    "NEEDLE 2, sources: science .*, reference": lambda: needle2.source_mask(IMAGE, ROW, target_px=TARGET, host_px=None),
    "NEEDLE 2, noise: image": lambda: needle2.background_noise(CUBE, TARGET, None),
    "turned: science .*, reference": lambda: augmentation.oriented(
        augmentation.Pair(IMAGE, ROW, YES, TARGET), UPRIGHT, science_noise=IMAGE[0], reference_noise=IMAGE[0], rng=RNG
    ),
    "normalised: science .*, reference": lambda: scaling.normalised_pair(IMAGE, ROW),
}
COLUMNS: dict[str, Callable[[], object]] = {
    "a light curve: mjd .*, band .*, mag": lambda: LightCurve(np.ones(3), np.full(3, "g"), np.ones(1), np.ones(3)),
    "times of two axes: mjd": lambda: LightCurve.of(np.ones((2, 2)), "g", 18.0, 0.1),
    "usable: mjd .*, is_positive": lambda: cleaning.is_usable(POINTS, np.ones(1, dtype=bool), ("g",)),
    "cleaned: mjd .*, is_mw_corrected": lambda: cleaning.clean(POINTS, np.ones(1, dtype=bool), Settings().light_curves),
    "merged: mjd .*, groups": lambda: cleaning.merge(POINTS, np.zeros(1, dtype=int)),
    "dereddened: mag .*, band .*, is_corrected": lambda: extinction.deredden(
        [18.0, 19.0], ["g", "g"], 0.1, [True], wavelength_angstrom={"g": 4722.7}
    ),
    "fluxes: days .*, band .*, flux": lambda: gaussian_process.FluxPoints(
        np.ones(2), np.full(2, "g"), {"g": 4722.7}, np.ones(1), np.ones(2), {"g": 0.0}
    ),
    "interpolated: days .*, g": lambda: resampling.interpolated(np.arange(4.0), {"g": np.ones(1)}, POINTS),
    "identities: object_ids .*, iau_names": lambda: identity.groups(["a", "b"], [None], np.ones(2), np.ones(2)),
    "a position: ra_deg .*, dec_deg": lambda: positions.mean_position_deg(np.ones(2), np.ones(1)),
    "precision: score .*, is_positive": lambda: metrics.precision_recall(np.ones(2), np.ones(1, dtype=bool)),
    "average precision: score .*, is_positive": lambda: metrics.pr_area(np.ones(2), np.ones(1, dtype=bool)),
    "bad found: p_good .*, is_bad": lambda: quality.finding_bad(np.ones(2), np.ones(1, dtype=bool), 0.5),
    "association: labels .*, sources": lambda: evaluation.association(["a", "b"], ["c"]),
    "an area: score .*, is_positive": lambda: realism.area(np.ones(2), np.ones(1, dtype=bool)),
}
P, Y = np.full((3, 3), 1 / 3), np.zeros(1, dtype=int)
PAIRS = np.ones((1, 60, 60, 2), dtype=np.float32)
NETWORK = needle.Needle(needle.Architecture(has_images=False, n_features=2, n_classes=3), RNG)
LENGTHS: dict[str, Callable[[], object]] = {
    "confidences: p 3, y 1": lambda: metrics.confidences(P, Y),
    "matrix: p 3, y 1": lambda: metrics.confusion_matrix(P, Y),
    "all measures: p 3, y 1": lambda: metrics.measures(P, Y, RNG),
    "temperature: p 3, y 1": lambda: calibration.fit_temperature(P, Y),
    "reliability: p 3, y 1": lambda: list(calibration.reliability(P, Y)),
    "scored: images 1, features 3": lambda: needle.score(NETWORK, PAIRS, np.ones((3, 2), dtype=np.float32)),
    "explained: images 1, features 3, classes 1": lambda: attention.attention_maps(NETWORK, PAIRS, np.ones((3, 2))),
    "samples: rows 1, features 3, y 1": lambda: Samples(None, Y, np.ones((3, 2)), Y),
    "importance: values 3, labels 2": lambda: importance.permutation_ranking(np.ones((3, 2)), np.full(2, "SN"), seed=1),
    "groups: real 3, groups_of_real 1": lambda: realism.recognisability(
        np.ones((3, 2)), np.ones((3, 2)), (np.full(1, "a"), np.full(3, "a")), ("x", "y"), RNG
    ),
    "weights: scaled 3, y 1": lambda: scaling.feature_weights(np.ones((3, 2)), np.ones(1, dtype=int), seed=1),
    "names: names 2, columns 1": lambda: scaling.Scaler.fit(("x", "y"), np.ones((3, 1))),
    "scaled: names 2, columns 1": lambda: scaling.Scaler.fit(("x", "y"), np.ones((3, 2))).apply(np.ones((3, 1))),
}


def named(case: str) -> str:
    """What the message must name."""
    return case.partition(": ")[2]


@pytest.mark.parametrize("case", IMAGES)
def test_images_that_do_not_lie_on_one_another_are_refused(case: str) -> None:
    with pytest.raises(ValueError, match=rf"images of one shape are needed; {named(case)} .* came"):
        IMAGES[case]()


@pytest.mark.parametrize("case", COLUMNS)
def test_columns_of_other_lengths_are_refused(case: str) -> None:
    with pytest.raises(ValueError, match=rf"columns of one length are needed; {named(case)} .* came"):
        COLUMNS[case]()


@pytest.mark.parametrize("case", LENGTHS)
def test_another_number_of_rows_is_refused(case: str) -> None:
    with pytest.raises(ValueError, match=rf"as many rows of each are needed; {named(case)} came"):
        LENGTHS[case]()


def test_masks_that_are_not_one_for_each_map_are_refused() -> None:
    with pytest.raises(ValueError, match=r"as many images of one shape are needed; maps .*, masks .* came"):
        attention.attention_fraction(CUBE, YES)


def test_what_agrees_is_let_through_and_what_is_not_given_does_not_matter() -> None:
    require_images(a=IMAGE, b=YES, c=None)
    require_columns(a=[1.0], b=np.ones(1), c=["x"])
    require_lengths(a=IMAGE, b=range(60))
