create table raw.objects (
    object_id varchar primary key, -- formerly ztf_id
    iau_name varchar,
    ra_deg double check (ra_deg between 0 and 360),
    dec_deg double check (dec_deg between -90 and 90),
    galactic_latitude_deg double,
    type varchar,
    label varchar check (label in ('SN', 'SLSN-I', 'TDE')),
    label_reason varchar,
    label_source varchar,
    type_reported_by varchar,
    type_classifier varchar,
    redshift double,
    a_v_mag double check (a_v_mag >= 0),
    peak_mjd double,
    peak_band varchar, -- once check (peak_band in ('g', 'r', 'i'))
    peak_mag double,
    peak_abs_mag double,
    duration_days double,
    is_duration_lower_limit boolean not null,
    rise_days double,
    is_rise_lower_limit boolean not null,
    fade_days double,
    is_fade_lower_limit boolean not null
);
comment on table raw.objects is 'The Bright Transient Survey''s catalogue with the class NEEDLE gives each object, and the types that the Transient Name Server''s list adds (raw.tns). One row per object of the catalogue, and per other object known here that the list classifies.';
comment on column raw.objects.object_id is 'Object id.';
comment on column raw.objects.iau_name is 'Name given by the IAU, for example SN2022yei or AT2019azh.';
comment on column raw.objects.ra_deg is 'Right ascension [deg, J2000].';
comment on column raw.objects.dec_deg is 'Declination [deg, J2000].';
comment on column raw.objects.galactic_latitude_deg is 'Galactic latitude [deg].';
comment on column raw.objects.type is 'Spectroscopic type as the Bright Transient Survey writes it; where it has none that is certain and known, as the Transient Name Server does.';
comment on column raw.objects.label is 'Class for NEEDLE by the table of types in docs/refreshing.md: SN (supernovae and SLSN-II), SLSN-I, TDE; null for a type that is not certain (?), not known or something else.';
comment on column raw.objects.label_reason is 'Why there is no label; null where there is one.';
comment on column raw.objects.label_source is 'Where the label''s type comes from: catalogue, TNS (the Transient Name Server''s list), or what the catalogue''s column type_source says; null without a label.';
comment on column raw.objects.type_reported_by is 'Who reported the type, if the file says it (column reported_by); the BTS explorer''s export does not.';
comment on column raw.objects.type_classifier is 'Spectral classifier or person that gave the type, if the file says it (column classifier); the BTS explorer''s export does not.';
comment on column raw.objects.redshift is 'Redshift: the catalogue''s, else the Transient Name Server''s where the type is; of several ids of one object in the list one alone has it.';
comment on column raw.objects.a_v_mag is 'Milky Way extinction A_V [mag].';
comment on column raw.objects.peak_mjd is 'Brightest epoch [MJD].';
comment on column raw.objects.peak_band is 'Filter of the brightest epoch.';
comment on column raw.objects.peak_mag is 'Brightest apparent magnitude [AB mag].';
comment on column raw.objects.peak_abs_mag is 'Brightest absolute magnitude [AB mag].';
comment on column raw.objects.duration_days is 'Time above half of the peak flux [d].';
comment on column raw.objects.is_duration_lower_limit is 'Whether duration_days is a lower limit.';
comment on column raw.objects.rise_days is 'Rise from half of the peak flux to the peak [d].';
comment on column raw.objects.is_rise_lower_limit is 'Whether rise_days is a lower limit.';
comment on column raw.objects.fade_days is 'Fade from the peak to half of its flux [d].';
comment on column raw.objects.is_fade_lower_limit is 'Whether fade_days is a lower limit.';
