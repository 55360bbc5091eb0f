create table raw.forced_photometry (
    object_id varchar not null,
    row_number integer not null,
    mjd double not null,
    band varchar not null,
    flux_microjansky double not null,
    flux_err_microjansky double not null check (flux_err_microjansky > 0),
    status varchar,
    processed_mjd double,
    source varchar,
    primary key (object_id, row_number)
);
comment on table raw.forced_photometry is 'Forced photometry that landed beside the packets: rows of photometry.parquet or .csv whose kind is forced. One row per measurement.';
comment on column raw.forced_photometry.object_id is 'Object id.';
comment on column raw.forced_photometry.row_number is 'Place within the object, ordered by all values; equal rows are all kept.';
comment on column raw.forced_photometry.mjd is 'Epoch [MJD].';
comment on column raw.forced_photometry.band is 'Band of the survey.';
comment on column raw.forced_photometry.flux_microjansky is 'Flux in the difference image with its sign [microjansky], from whichever of flux and magnitude landed; Milky Way extinction is still in it.';
comment on column raw.forced_photometry.flux_err_microjansky is 'Its error, 1 sigma [microjansky].';
comment on column raw.forced_photometry.status is 'What the survey''s processing says of it, as landed: ZTF''s procstatus, 0 without complaint; null if the file does not say.';
comment on column raw.forced_photometry.processed_mjd is 'When it was processed [MJD]; null if the file does not say.';
comment on column raw.forced_photometry.source is 'Where it is from; null if the file does not say.';
