create table raw.photometry (
    object_id varchar not null, -- formerly ztf_id
    row_number integer not null,
    mjd double not null,
    band varchar not null, -- once check (band in ('g', 'r', 'i'))
    mag float not null,
    mag_err float not null check (mag_err > 0),
    source varchar,
    mw_corrected boolean not null,
    is_positive boolean,
    primary key (object_id, row_number)
);
comment on table raw.photometry is 'Light curves that landed beside the packets, as landed. One row per detection.';
comment on column raw.photometry.object_id is 'Object id.';
comment on column raw.photometry.row_number is 'Place within the object, ordered by all values; equal rows are all kept.';
comment on column raw.photometry.mjd is 'Epoch [MJD].';
comment on column raw.photometry.band is 'Filter: g, r or i.';
comment on column raw.photometry.mag is 'Magnitude [AB mag].';
comment on column raw.photometry.mag_err is 'Error of mag [mag].';
comment on column raw.photometry.source is 'Where it is from; null if the file does not say.';
comment on column raw.photometry.mw_corrected is 'Whether Milky Way extinction is already removed.';
comment on column raw.photometry.is_positive is 'Whether the difference to the reference is positive; null if the file does not say, and then it counts as positive.';
