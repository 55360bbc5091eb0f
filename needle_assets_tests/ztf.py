"""Science and stages as they are called for objects of ZTF: with its bands, wavelengths, sizes and depth."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import polars as pl

from needle_assets.assets import detections as detection_stages
from needle_assets.assets import images as image_stages
from needle_assets.assets import light_curves as light_curve_stages
from needle_assets.assets import samples as sample_stages
from needle_assets.assets import stamps as stamp_stages
from needle_assets.assets.objects import of_survey
from needle_assets.assets.output import Product
from needle_assets.images import pairs
from needle_assets.images import stamps as placing
from needle_assets.light_curves import cleaning, extinction, gaussian_process, light_curve, redshifting, resampling
from needle_assets.light_curves import features as table_1
from needle_assets.settings import Settings
from needle_assets.surveys.ztf import ZTF

Tables = Mapping[str, pl.DataFrame]

choose_pair = partial(pairs.choose_pair, bands=ZTF.pair_bands)
place_cutout = partial(placing.place_cutout, survey=ZTF)
host_position_px = partial(placing.host_position_px, pixel_scale_arcsec=ZTF.pixel_scale_arcsec)
is_usable = partial(cleaning.is_usable, bands=ZTF.bands)
deredden = partial(extinction.deredden, wavelength_angstrom=ZTF.extinction_wavelength_angstrom)
peak_mjd = partial(light_curve.peak_mjd, bands=ZTF.fit_bands)
flux_points = partial(gaussian_process.flux_points, wavelength_angstrom=ZTF.fit_wavelength_angstrom)
fit = partial(gaussian_process.fit, wavelength_angstrom=ZTF.fit_wavelength_angstrom)
restored_fit = partial(gaussian_process.restored_fit, wavelength_angstrom=ZTF.fit_wavelength_angstrom)
within_limit = partial(redshifting.within_limit, limit_mag=ZTF.detection_limit_mag)
magnitude_error = partial(resampling.magnitude_error, limit_mag=ZTF.detection_limit_mag)
perturb = partial(resampling.perturb, limit_mag=ZTF.detection_limit_mag)
sample_epochs = partial(resampling.sample_epochs, bands=ZTF.fit_bands)
observe_at_redshift = partial(
    resampling.observe_at_redshift, depth_mag=ZTF.detection_limit_mag, limit_mag=ZTF.detection_limit_mag
)
features_of = partial(table_1.features, bands=ZTF.feature_bands, host_bands=ZTF.host_bands)
colour_features = partial(table_1.colour_features, bands=ZTF.feature_bands)
host_features = partial(table_1.host_features, host_bands=ZTF.host_bands)


def _stage(compute: Callable[[Tables, Settings], Product]) -> Callable[[Tables, Any], Product]:
    return lambda frames, settings: compute(of_survey(frames, ZTF), settings)


detections = _stage(detection_stages.detections)
upper_limits = _stage(detection_stages.upper_limits)
light_curves = _stage(light_curve_stages.light_curves)
epochs = _stage(light_curve_stages.epochs)
gp_fits = _stage(light_curve_stages.gp_fits)
features = _stage(light_curve_stages.features)
masked_stamps = _stage(image_stages.masked_stamps)
stamps = _stage(stamp_stages.stamps)
splits = _stage(sample_stages.splits)
synthetic_samples = _stage(sample_stages.synthetic_samples)
