create table core.hosts (
    object_id varchar primary key, -- formerly ztf_id
    is_hosted boolean not null,
    association varchar not null check (association in ('landed', 'sherlock', 'packet', 'none')),
    magnitudes_from varchar check (magnitudes_from in ('landed', 'packet', 'panstarrs')),
    source varchar,
    host_ra_deg double,
    host_dec_deg double,
    separation_arcsec double check (separation_arcsec >= 0),
    p_chance double check (p_chance between 0 and 1),
    g_mag float,
    r_mag float,
    i_mag float,
    z_mag float,
    y_mag float,
    search_outcome varchar check (search_outcome in ('host', 'no host', 'not covered')), -- if absent: case when is_hosted then 'host' end
    photometric_redshift float check (photometric_redshift >= 0), -- if absent: case when source like 'Legacy Surveys DR10: %[needle fetch]' then try_cast(regexp_extract(source, ', photometric redshift ([0-9.]+)', 1) as float) end
    photometric_redshift_err float check (photometric_redshift_err >= 0), -- if absent: case when source like 'Legacy Surveys DR10: %[needle fetch]' then try_cast(regexp_extract(source, ', photometric redshift [0-9.]+ .. ([0-9.]+)', 1) as float) end
    is_dereddened boolean not null
);
comment on table core.hosts is 'The host galaxy of an object: from hosts.csv, else from the Pan-STARRS sources in its packets. One row per object.';
comment on column core.hosts.object_id is 'Object id.';
comment on column core.hosts.is_hosted is 'Whether a host is known.';
comment on column core.hosts.association is 'Who says where it is: landed (somebody''s own row of hosts.csv), sherlock (Sherlock, by way of Lasair), packet (the likeliest of the Pan-STARRS sources that a packet lists) or none.';
comment on column core.hosts.magnitudes_from is 'Who says how bright it is: landed (somebody''s own row), packet, panstarrs (aperture magnitudes asked for by position); null without magnitudes.';
comment on column core.hosts.source is 'Source of the landed row as it stands there, or the Pan-STARRS object id.';
comment on column core.hosts.host_ra_deg is 'Right ascension of the host [deg]; null if unknown.';
comment on column core.hosts.host_dec_deg is 'Declination of the host [deg]; null if unknown.';
comment on column core.hosts.separation_arcsec is 'Distance of the transient from the host centre [arcsec].';
comment on column core.hosts.p_chance is 'Probability of a chance coincidence (Bloom et al. 2002); null for landed hosts.';
comment on column core.hosts.g_mag is 'Pan-STARRS g magnitude, dereddened where is_dereddened [AB mag].';
comment on column core.hosts.r_mag is 'Pan-STARRS r magnitude, dereddened where is_dereddened [AB mag].';
comment on column core.hosts.i_mag is 'Pan-STARRS i magnitude, dereddened where is_dereddened [AB mag].';
comment on column core.hosts.z_mag is 'Pan-STARRS z magnitude, dereddened where is_dereddened [AB mag].';
comment on column core.hosts.y_mag is 'Pan-STARRS y magnitude, dereddened where is_dereddened [AB mag].';
comment on column core.hosts.search_outcome is 'What the search for a host came to: host (one is known), no host (the Legacy Surveys looked there and have no likely galaxy), not covered (they did not look there); null where none is known and none was asked for by position.';
comment on column core.hosts.photometric_redshift is 'Photometric redshift of the host (Legacy Surveys, median of its posterior); null where the catalogue that placed the host has none.';
comment on column core.hosts.photometric_redshift_err is 'Standard deviation of photometric_redshift as the catalogue gives it; null if unknown.';
comment on column core.hosts.is_dereddened is 'Whether Milky Way extinction is removed; false where A_V is unknown.';
