create table core.upper_limits (
    object_id varchar not null, -- formerly ztf_id
    mjd double not null,
    band varchar not null, -- once check (band in ('g', 'r', 'i'))
    mag_limit float not null,
    primary key (object_id, band, mjd)
);
comment on table core.upper_limits is 'Exposures of the position without a detection, as the packets tell them. One row per non-detection.';
comment on column core.upper_limits.object_id is 'Object id.';
comment on column core.upper_limits.mjd is 'Start of the exposure [MJD].';
comment on column core.upper_limits.band is 'Band of the survey, for ZTF g, r or i.';
comment on column core.upper_limits.mag_limit is '5 sigma limit of the difference image [AB mag].';
