create table core.nightly_fluxes (
    object_id varchar not null,
    band varchar not null,
    mjd double not null,
    days_since_first double not null,
    flux_microjansky double not null,
    flux_err_microjansky double not null check (flux_err_microjansky > 0),
    is_mw_corrected boolean not null,
    primary key (object_id, band, mjd)
);
comment on table core.nightly_fluxes is 'Forced photometry as the Gaussian process is fitted to it: free of Milky Way extinction where that is known, one flux a night and band. Empty unless the settings say so ([gaussian_process] points = "forced"). One row per night and band.';
comment on column core.nightly_fluxes.object_id is 'Object id.';
comment on column core.nightly_fluxes.band is 'Band of the survey.';
comment on column core.nightly_fluxes.mjd is 'Mean time, weighted as the fluxes are [MJD, UTC].';
comment on column core.nightly_fluxes.days_since_first is 'Days since the first point of the cleaned light curve, negative before it [d].';
comment on column core.nightly_fluxes.flux_microjansky is 'Mean flux with its sign, weighted by inverse variances, without outliers of the night [microjansky].';
comment on column core.nightly_fluxes.flux_err_microjansky is 'Its error, 1 sigma, scaled by the scatter of the night where that is larger than stated [microjansky].';
comment on column core.nightly_fluxes.is_mw_corrected is 'Whether it is free of Milky Way extinction.';
