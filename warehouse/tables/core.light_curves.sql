create table core.light_curves (
    object_id varchar not null, -- formerly ztf_id
    band varchar not null, -- once check (band in ('g', 'r', 'i'))
    mjd double not null,
    last_mjd double not null,
    days_since_first double not null check (days_since_first >= 0),
    mag double not null,
    mag_err double not null check (mag_err > 0),
    n_merged integer not null check (n_merged >= 1),
    is_mw_corrected boolean not null,
    primary key (object_id, band, mjd)
);
comment on table core.light_curves is 'Light curves without Milky Way extinction, merged within half a day, without outliers and without what precedes a long gap (sections 4.1 and 4.2). One row per cleaned epoch and band.';
comment on column core.light_curves.object_id is 'Object id.';
comment on column core.light_curves.band is 'ZTF band: g, r or i.';
comment on column core.light_curves.mjd is 'Mean time of the merged detections [MJD].';
comment on column core.light_curves.last_mjd is 'Time of the newest of the merged detections [MJD].';
comment on column core.light_curves.days_since_first is 'Time since the first row of the object, in any band [d].';
comment on column core.light_curves.mag is 'Magnitude of the difference flux, dereddened where is_mw_corrected [AB mag].';
comment on column core.light_curves.mag_err is 'Error of the magnitude, 1 sigma [mag].';
comment on column core.light_curves.n_merged is 'Detections that were merged into this row.';
comment on column core.light_curves.is_mw_corrected is 'Free of Milky Way extinction; false where A_V is missing and the photometry came uncorrected.';
