"""Synthetic samples: the light curve of one object on the stamps and host of another of its class (paper, section 5).

A sample is a recipe: two parents, two redshifts, an orientation and a seed. Its features follow from them here; its pixels are
rendered where a model is trained (see :func:`rendered_pair`).
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from needle_assets.errors import Rejection
from needle_assets.images.augmentation import Orientation, Pair, oriented
from needle_assets.light_curves.features import Host, features
from needle_assets.light_curves.gaussian_process import GaussianProcessFit
from needle_assets.light_curves.light_curve import LightCurve, peak_mjd
from needle_assets.light_curves.resampling import observe_at_redshift, sample_epochs
from needle_assets.settings import FeatureSettings, SyntheticSettings
from needle_assets.surveys.survey import Survey


@dataclass(frozen=True)
class LightCurveParent:
    """An object whose light curve is used: usable fit, clean points on the same clock, end of the sampled phase [d]."""

    object_id: str
    redshift: float
    survey: Survey
    fit: GaussianProcessFit
    points: LightCurve
    rise_end: float
    identity: str = ""  # one name for all ids of the object; empty: it has no other


@dataclass(frozen=True)
class ImageParent:
    """An object whose stamps and host are used; ``is_complete`` if its stamps may be turned by any angle."""

    object_id: str
    redshift: float
    survey: Survey
    host: Host
    is_complete: bool = False
    identity: str = ""


@dataclass(frozen=True)
class Recipe:
    """
    Everything a synthetic sample is made from, and what its light curve shows.

    Parameters
    ----------
    light_curve_parent, image_parent : str
        Object ids.
    light_curve_redshift, image_redshift : float
        Of the parents; the sample is at the second.
    seed : int
        Of the one stream that draws epochs, magnitudes and scatter.
    orientation : Orientation
        How the stamps are turned.
    n_attempts : int
        Draws until one was accepted, this one included.
    n_det_g, n_det_r : int
        Detections in the bluer and the redder feature band up to the classification epoch.
    features : dict of str to float
        Those of Table 1; NaN = missing.
    """

    light_curve_parent: str
    image_parent: str
    light_curve_redshift: float
    image_redshift: float
    seed: int
    orientation: Orientation
    n_attempts: int
    n_det_g: int
    n_det_r: int
    features: dict[str, float]


def partners(image: ImageParent, light_curves: Sequence[LightCurveParent], settings: SyntheticSettings) -> list[LightCurveParent]:
    """
    Light curves that may be put on an image: |z_A - z_B| at most ``redshift_tolerance`` times z_B, the redshift of the image.

    Section 5 says "within 20 % of the original redshift"; that this is the image's, is how the authors' code reads it. Both are of
    one survey. An object is no partner of itself, under whatever id, unless the settings allow it.
    """
    return [
        found
        for found in light_curves
        if found.survey == image.survey
        and abs(found.redshift - image.redshift) <= settings.redshift_tolerance * image.redshift
        and (settings.is_self_allowed or (found.identity or found.object_id) != (image.identity or image.object_id))
    ]


@dataclass(frozen=True)
class Drawing:
    """What every draw has in common: settings, days after the new peak up to which features look, and how features are taken."""

    settings: SyntheticSettings
    feature_settings: FeatureSettings
    days_after_peak: float = 5.0


def draw_recipes(
    light_curves: Sequence[LightCurveParent],
    images: Sequence[ImageParent],
    n_wanted: int,
    seed_of: Callable[[int, int], int],
    drawing: Drawing,
) -> list[Recipe]:
    """
    Exactly ``n_wanted`` accepted samples of one class.

    Parameters
    ----------
    light_curves, images : sequence
        Parents, all of one class and one training part.
    n_wanted : int
        Samples to accept.
    seed_of : callable
        Seed of (sample, attempt).
    drawing : Drawing
        Settings.

    Returns
    -------
    list of Recipe
        Sample i uses the hosts in turn, so that every host is used as often as every other, give or take one. The first n of a
        larger number are the same samples.

    Raises
    ------
    Rejection
        If no image has a partner within the redshift range, or no draw can be seen by the survey.

    Notes
    -----
    Section 5. The authors' code makes a number of attempts and keeps what succeeds: 155 and 148 of 200.
    """
    matches = {image.object_id: partners(image, light_curves, drawing.settings) for image in images}
    hosts = sorted((image for image in images if matches[image.object_id]), key=lambda image: image.object_id)
    if not hosts:
        raise Rejection(
            f"{len(light_curves)} light curves and {len(images)} images of the class, but no pair of different objects within "
            f"{drawing.settings.redshift_tolerance:.0%} in redshift; no synthetic samples can be drawn.",
            n_light_curves=len(light_curves),
            n_images=len(images),
        )
    accepted: list[Recipe] = []
    turn = _turns(hosts, seed_of)
    n_failed = 0
    while len(accepted) < n_wanted:
        image = next(turn)
        found = _draw_until_seen(image, matches[image.object_id], len(accepted) + n_failed, seed_of, drawing)
        if found is not None:
            accepted.append(found)
            continue
        n_failed += 1
        if n_failed > len(hosts) + n_wanted:
            raise Rejection(
                f"{len(accepted)} of {n_wanted} synthetic samples could be seen by the survey after {n_failed} hosts failed "
                f"{drawing.settings.max_attempts_per_sample} times each.",
                n_accepted=len(accepted),
            )
    return accepted


def _turns(hosts: Sequence[ImageParent], seed_of: Callable[[int, int], int]) -> Iterator[ImageParent]:
    """The hosts over and over, each time in another order."""
    lap = 0
    while True:
        order = np.random.default_rng(seed_of(-1 - lap, 0)).permutation(len(hosts))
        yield from (hosts[i] for i in order)
        lap += 1


def _draw_until_seen(
    image: ImageParent,
    among: Sequence[LightCurveParent],
    sample: int,
    seed_of: Callable[[int, int], int],
    drawing: Drawing,
) -> Recipe | None:
    for attempt in range(drawing.settings.max_attempts_per_sample):
        seed = seed_of(sample, attempt)
        parent = among[int(np.random.default_rng(seed).integers(len(among)))]
        recipe = draw_recipe(parent, image, seed, drawing, n_attempts=attempt + 1)
        if recipe is not None:
            return recipe
    return None


def draw_recipe(
    parent: LightCurveParent, image: ImageParent, seed: int, drawing: Drawing, *, n_attempts: int = 1
) -> Recipe | None:
    """
    One draw; None if the survey would not see it.

    The seed alone decides epochs, magnitudes, scatter and orientation: the same parents and seed give the same sample.

    Notes
    -----
    Section 4.3 keeps a random number of epochs, from one up, and stops a few days after the parent's peak. Samples made so are told
    from real ones: real ones keep all their epochs, begin with a detection, and are cut where their own brightest point says. So
    the default takes the parent's epochs and depth, samples on to 30 days after the peak and cuts the sample like a real object;
    ``results.realism`` measures how well the two are told apart, and docs/classifiers.md compares the ways.
    """
    rng = np.random.default_rng([seed, 1])
    chosen, survey = drawing.settings, parent.survey
    seen = observe_at_redshift(
        parent.fit,
        _epochs(parent, rng, chosen),
        (parent.redshift, image.redshift),
        rng,
        is_posterior_drawn=chosen.is_posterior_drawn,
        is_spectrum_shifted=chosen.is_spectrum_shifted,
        depth_mag=survey.detection_limit_mag,
        limit_mag=_limit_mag(parent, chosen),
    )
    if len(seen) == 0:
        return None
    as_of = float(min(peak_mjd(seen, survey.fit_bands) + drawing.days_after_peak, seen.mjd.max()))
    known = seen[seen.mjd <= as_of]
    values = features(
        known,
        as_of,
        image.host,
        bands=survey.feature_bands,
        host_bands=survey.host_bands,
        current=drawing.feature_settings.current,
        min_previous_days=drawing.feature_settings.min_previous_days,
    )
    return Recipe(
        light_curve_parent=parent.object_id,
        image_parent=image.object_id,
        light_curve_redshift=parent.redshift,
        image_redshift=image.redshift,
        seed=seed,
        orientation=_orientation(image, rng, chosen),
        n_attempts=n_attempts,
        n_det_g=len(known.in_band(survey.feature_bands[0])),
        n_det_r=len(known.in_band(survey.feature_bands[1])),
        features=values,
    )


def _epochs(parent: LightCurveParent, rng: np.random.Generator, settings: SyntheticSettings) -> LightCurve:
    """When the sample is observed, on the parent's clock: its own nights, each moved by up to ``jitter_days``, or drawn anew."""
    fewest = settings.min_points if settings.is_thinned else len(parent.points)
    if settings.cadence != "own":
        bands = parent.survey.fit_bands
        return sample_epochs(parent.points, parent.rise_end, rng, bands=bands, min_points=fewest, cadence=settings.cadence)
    points = parent.points.in_bands(parent.survey.fit_bands)
    points = points[points.mjd <= parent.rise_end]
    nights, of_night = np.unique(np.floor(points.mjd), return_inverse=True)
    moved = points.mjd + rng.uniform(-settings.jitter_days, settings.jitter_days, len(nights))[of_night]
    times = np.clip(moved, points.mjd.min(initial=0.0), parent.rise_end)
    return LightCurve.of(times, points.band, np.nan, np.nan).sorted()


def _limit_mag(parent: LightCurveParent, settings: SyntheticSettings) -> float:
    """Faintest magnitude that would be reported: forced photometry of a parent goes deeper than the survey's alerts."""
    points, depth_mag = parent.points.in_bands(parent.survey.fit_bands), parent.survey.detection_limit_mag
    faintest = points[points.mjd <= parent.rise_end].mag.max(initial=depth_mag)
    return float(faintest) if settings.is_depth_own else depth_mag


def _orientation(image: ImageParent, rng: np.random.Generator, settings: SyntheticSettings) -> Orientation:
    """
    A multiple of 90 degrees, flipped half the time: as training turns every sample, real or synthetic, and without a changed pixel.

    Section 3.4 turns a pair by any angle if transient and host are complete in it. Its pixels are then interpolated, those of real
    ones never are.
    """
    is_any = settings.turns == "any" and image.is_complete
    angle = rng.uniform(0.0, 360.0) if is_any else 90.0 * float(rng.integers(4))
    return Orientation(float(angle), bool(rng.random() < 0.5))


def rendered_pair(
    pair: Pair,
    orientation: Orientation,
    seed: int,
    *,
    science_noise: NDArray[np.floating],
    reference_noise: NDArray[np.floating],
) -> Pair:
    """The stamps of a synthetic sample: the image parent's masked pair turned as the recipe says, with noise from its seed."""
    rng = np.random.default_rng([seed, 2])
    return oriented(pair, orientation, science_noise=science_noise, reference_noise=reference_noise, rng=rng)
