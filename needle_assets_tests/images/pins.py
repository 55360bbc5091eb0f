"""
What each module of images gives for made pairs with and without damage, kept in ``pins.json``.

The figures of docs/images.md were measured with these rules, so no result may change by accident. Whoever means a change runs
``python -m needle_assets_tests.images.pins``, looks at what differs, and measures the figures again.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from needle_assets.classifiers.damage import KINDS, damaged
from needle_assets.errors import Rejection
from needle_assets.images import augmentation, defects, disagreement, masking, matching, noise, restoration, sources
from needle_assets.settings import preset_settings
from needle_assets_tests.images.examples import star

KEPT = Path(__file__).with_name("pins.json")
TARGET, HOST = (30.3, 29.8), (34.0, 27.0)


def pairs(n: int) -> Iterator[tuple[np.ndarray, np.ndarray, np.random.Generator]]:
    """Science and reference of fields with stars, a host, a transient in science, and whatever follows from the number."""
    for number in range(n):
        rng = np.random.default_rng([number, 11])
        field = star(*HOST, 10.0 ** rng.uniform(1.0, 2.6), width_px=rng.uniform(1.2, 3.0))
        for _ in range(int(rng.integers(0, 7))):
            field = field + star(*rng.uniform(2, 58, 2), 10.0 ** rng.uniform(1.3, 3.8), width_px=rng.uniform(0.9, 1.6))
        science = rng.normal(100.0, 5.0, (60, 60)) + field + star(*TARGET, 10.0 ** rng.uniform(1.5, 3.0))
        yield science, rng.normal(40.0, rng.uniform(1.0, 4.0), (60, 60)) + field, rng


def spoilt(n_each: int = 2) -> Iterator[tuple[np.ndarray, np.ndarray, np.random.Generator, np.ndarray]]:
    """The same with one kind of damage after the other in science, and where."""
    made = pairs(n_each * len(KINDS))
    for kind in sorted(KINDS):
        for _ in range(n_each):
            science, reference, rng = next(made)
            bad, touched = damaged(science, kind, rng)
            yield bad, reference, rng, touched


def told(image: np.ndarray) -> list[float]:
    """Three sums that tell values and places."""
    rows, columns = (np.arange(size) / size for size in image.shape)
    values = np.nan_to_num(np.asarray(image, dtype=float))
    return [float(f"{value:.8g}") for value in (values.sum(), (values * rows[:, None]).sum(), (values * columns**2).sum())]


def found_defects() -> list[Any]:
    settings = [preset_settings(name).quality for name in ("default", "paper")]
    found = [defects.find_defects(bad, which) for bad, *_ in spoilt(3) for which in settings]
    return [[list(one.reasons), *told(one.invalid)] for one in found]


def found_disagreement() -> list[Any]:
    found = []
    for number, (science, reference, rng) in enumerate(pairs(40)):
        glints = sum(star(*rng.uniform(5, 55, 2), 10.0 ** rng.uniform(1.2, 3.0)) for _ in range(number % 4))
        both = disagreement.find_pair_defects(science + glints, reference + (glints if number % 8 > 5 else 0.0))
        found.append([[list(one.reasons), *told(one.invalid)] for one in both])
    return found


def masks() -> list[Any]:
    found = []
    for number, (science, reference, rng) in enumerate(pairs(36)):
        settings = preset_settings(("default", "paper", "needle2")[number % 3]).masking
        host = (None, HOST, (34.0, 27.0), (66.0, 20.0))[number % 4]
        one = masking.source_mask(science, reference, target_px=TARGET, host_px=host, settings=settings)
        flags = [one.n_kept, one.host_state, one.is_blended, one.touches_border, one.n_sources_removed]
        pair = masking.masked_pair(science, reference, one.mask, rng=rng, settings=settings) if one.n_kept else None
        found.append([*flags, *told(one.mask), *told(one.replaced), *(told(pair.science) + told(pair.reference) if pair else [])])
    return found


def restored() -> list[Any]:
    found = []
    for number, (bad, reference, rng, _) in enumerate(spoilt()):
        settings = preset_settings(("default", "default", "paper", "needle2")[number % 4]).restoration
        marks = {"invalid": defects.find_defects(bad).invalid, "donor_invalid": defects.find_defects(reference).invalid}
        shift = {"donor_target_px": (TARGET[0] + 1.4, TARGET[1] - 2.0)} if number % 5 == 0 else {}
        try:
            one = restoration.restore(
                bad, reference, **marks, **shift, target_px=TARGET, rng=rng, is_suspect=number % 3 == 0, settings=settings
            )
            found.append([told(one.pixels), *told(one.repaired), *(float(f"{float(value):.8g}") for value in one[2:])])
        except Rejection as why:
            found.append([why.reason.split(",")[0][:40]])
    return found


def matches() -> list[Any]:
    found = []
    for number, (bad, reference, _, touched) in enumerate(spoilt(1)):
        marks = {"invalid": touched | ~np.isfinite(bad), "donor_invalid": np.zeros((60, 60), bool)}
        if marks["invalid"].mean() > 0.8:
            continue
        donor = 40.0 + (1.0, 0.93, 1.3)[number % 3] * (reference - 40.0)
        one = matching.match_sources(bad, donor, **marks, target_px=TARGET)
        moments = matching.match_moments(bad, donor, **marks)
        found.append([told(one.image), one.gain, *one.sky, one.donor_sigma, told(moments.image), moments.gain])
    return found


def noises() -> list[Any]:
    found = []
    for science, reference, rng, touched in spoilt(1):
        skies = [
            *noise.measure_sky(science),
            *noise.measure_sky(reference, exclude=touched & (science > 100.0)),
            *noise.measure_quiet_sky(reference),
        ]
        samples = [noise.one_sided_noise(reference), noise.noise_quantiles(reference.ravel(), 16)]
        samples += [noise.draw_noise(samples[0], 50, rng)]
        found.append([skies, *([len(one), float(one.mean()), float(one.std())] for one in samples)])
    return found


def found_sources() -> list[Any]:
    found = []
    for science, reference, *_ in spoilt(1):
        for image in (science, reference):
            one = sources.find_sources(image)
            found.append([one.n, *told(one.labels), *told(sources.is_background(image, one))])
    return found


def turned() -> list[Any]:
    found = []
    for science, reference, rng in pairs(12):
        mask = star(*HOST, 1.0, width_px=4.0) > 0.3
        pair = augmentation.Pair(science, reference, mask, TARGET, HOST)
        orientation = augmentation.draw_orientation(pair, rng)
        drawn = {"science_noise": rng.normal(100, 5, 200), "reference_noise": rng.normal(40, 2, 200), "rng": rng}
        one = augmentation.oriented(pair, orientation, **drawn)
        found.append([*orientation, told(one.science), told(one.reference), told(one.mask), one.target_px, one.host_px])
    return found


PINS: dict[str, Callable[[], list[Any]]] = {
    "augmentation": turned,
    "defects": found_defects,
    "disagreement": found_disagreement,
    "masking": masks,
    "matching": matches,
    "noise": noises,
    "restoration": restored,
    "sources": found_sources,
}


def hold(name: str) -> None:
    """Compare with what was kept; numbers to one in a million, everything else exactly."""
    kept, now = json.loads(KEPT.read_text(encoding="utf-8"))[name], plain(PINS[name]())
    assert len(kept) == len(now)
    for place, (before, after) in enumerate(zip(_flat(kept), _flat(now), strict=True)):
        assert after == (
            before if isinstance(before, str | bool) or before is None else pytest.approx(before, rel=1e-6, abs=1e-6, nan_ok=True)
        ), place


def plain(values: Any) -> Any:
    return json.loads(json.dumps(values, default=float))


def _flat(values: Any) -> Iterator[Any]:
    if isinstance(values, list):
        for value in values:
            yield from _flat(value)
    else:
        yield values


if __name__ == "__main__":
    KEPT.write_text(json.dumps({name: plain(pin()) for name, pin in PINS.items()}, indent=0) + "\n", encoding="utf-8")
