create table raw.hosts (
    object_id varchar primary key, -- formerly ztf_id
    host_ra_deg double, -- once not null check (host_ra_deg between 0 and 360)
    host_dec_deg double, -- once not null check (host_dec_deg between -90 and 90)
    separation_arcsec double check (separation_arcsec >= 0),
    g_mag float,
    r_mag float,
    i_mag float,
    z_mag float,
    y_mag float,
    mw_corrected boolean not null,
    source varchar
);
comment on table raw.hosts is 'Host galaxies that landed beside the packets, as landed. One row per object.';
comment on column raw.hosts.object_id is 'Object id.';
comment on column raw.hosts.host_ra_deg is 'Right ascension of the host centre [deg, J2000]; null in a row that says in source that none was found.';
comment on column raw.hosts.host_dec_deg is 'Declination of the host centre [deg, J2000]; null in a row that says in source that none was found.';
comment on column raw.hosts.separation_arcsec is 'Distance of the transient from the host centre [arcsec]; null if the file does not say.';
comment on column raw.hosts.g_mag is 'Pan-STARRS g aperture magnitude of the host [AB mag]; null if unknown.';
comment on column raw.hosts.r_mag is 'Pan-STARRS r aperture magnitude of the host [AB mag]; null if unknown.';
comment on column raw.hosts.i_mag is 'Pan-STARRS i aperture magnitude of the host [AB mag]; null if unknown.';
comment on column raw.hosts.z_mag is 'Pan-STARRS z aperture magnitude of the host [AB mag]; null if unknown.';
comment on column raw.hosts.y_mag is 'Pan-STARRS y aperture magnitude of the host [AB mag]; null if unknown.';
comment on column raw.hosts.mw_corrected is 'Whether Milky Way extinction is already removed from the magnitudes.';
comment on column raw.hosts.source is 'Where it is from; null if the file does not say. In a row without a position, what the search for a host came to.';
