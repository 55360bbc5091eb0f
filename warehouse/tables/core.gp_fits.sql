create table core.gp_fits (
    object_id varchar primary key, -- formerly ztf_id
    bands varchar not null, -- if absent: 'g,r'
    amplitude double not null check (amplitude > 0),
    length_scale_days double not null check (length_scale_days > 0),
    wavelength_scale_angstrom double not null,
    error_scale double not null check (error_scale > 0),
    log_likelihood double not null,
    n_points integer not null check (n_points >= 2),
    reduced_chi2 double,
    left_out_chi2 double,
    median_rise_err_mag double,
    is_usable boolean not null,
    reasons varchar[] not null,
    other_curves struct(band varchar, mag double[], mag_err double[])[], -- if absent: null
    days_since_first double[] not null,
    mag_g double[],
    mag_r double[],
    mag_err_g double[],
    mag_err_r double[],
    check (is_usable = (len(reasons) = 0))
);
comment on table core.gp_fits is 'Two-dimensional Gaussian process over time and wavelength, in flux, with its daily prediction (section 4.2). One row per object with two or more cleaned epochs in g and r.';
comment on column core.gp_fits.object_id is 'Object id.';
comment on column core.gp_fits.bands is 'The bluer and the redder band of the survey, such as g,r: columns named g hold the first, those named r the second.';
comment on column core.gp_fits.amplitude is 'Square root of the variance of the Matern-3/2 kernel [microjansky].';
comment on column core.gp_fits.length_scale_days is 'Time scale of the kernel [d].';
comment on column core.gp_fits.wavelength_scale_angstrom is 'Wavelength scale of the kernel, not fitted [angstrom].';
comment on column core.gp_fits.error_scale is 'What the stated errors were multiplied by to agree with the scatter; 1 where that is switched off.';
comment on column core.gp_fits.log_likelihood is 'Natural logarithm of the marginal likelihood of the fluxes in microjansky.';
comment on column core.gp_fits.n_points is 'Points that were fitted: cleaned epochs in the bands of the survey, and with forced photometry its nights.';
comment on column core.gp_fits.reduced_chi2 is 'Mean square residual of the rising epochs in units of their errors; null without any.';
comment on column core.gp_fits.left_out_chi2 is 'Mean square of the leave-one-out residuals of the rising epochs in units of their predicted errors; null without any.';
comment on column core.gp_fits.median_rise_err_mag is 'Median error of the predicted rise [mag]; null without rising epochs.';
comment on column core.gp_fits.is_usable is 'May be resampled: no reason speaks against it.';
comment on column core.gp_fits.reasons is 'Why the fit may not be resampled; empty if it may.';
comment on column core.gp_fits.days_since_first is 'Whole days of the prediction, on the clock of core.light_curves [d].';
comment on column core.gp_fits.mag_g is 'Predicted g magnitude on these days, at most the faintest magnitude of the settings [AB mag]; null without g epochs.';
comment on column core.gp_fits.mag_r is 'Predicted r magnitude on these days, at most the faintest magnitude of the settings [AB mag]; null without r epochs.';
comment on column core.gp_fits.mag_err_g is 'Error of mag_g, 1 sigma, without the noise of a measurement [mag].';
comment on column core.gp_fits.mag_err_r is 'Error of mag_r, 1 sigma, without the noise of a measurement [mag].';
comment on column core.gp_fits.other_curves is 'Prediction on the same days in the other bands of the survey that were fitted [AB mag]; null for ZTF.';
