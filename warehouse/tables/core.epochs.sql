create table core.epochs (
    object_id varchar primary key, -- formerly ztf_id
    bands varchar not null, -- if absent: 'g,r'
    first_mjd double not null,
    peak_mjd double,
    classification_mjd double not null,
    n_rising_g integer not null check (n_rising_g >= 0),
    n_rising_r integer not null check (n_rising_r >= 0)
);
comment on table core.epochs is 'When an object was first seen, when it peaked and up to when its data may be used for its classification (section 4). One row per object with a cleaned light curve.';
comment on column core.epochs.object_id is 'Object id.';
comment on column core.epochs.bands is 'The bluer and the redder band of the survey, such as g,r: n_rising_g counts the first, n_rising_r the second.';
comment on column core.epochs.first_mjd is 'First row of the cleaned light curve, in any band [MJD].';
comment on column core.epochs.peak_mjd is 'Earliest of the times at which g and r are brightest [MJD]; null without g and r.';
comment on column core.epochs.classification_mjd is 'Training objects: a few days after the peak or the newest detection, whichever is earlier; candidates: the newest detection [MJD].';
comment on column core.epochs.n_rising_g is 'Cleaned g epochs up to a few days after the peak.';
comment on column core.epochs.n_rising_r is 'Cleaned r epochs up to a few days after the peak.';
