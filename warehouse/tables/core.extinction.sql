create table core.extinction (
    object_id varchar primary key,
    ra_deg double not null,
    dec_deg double not null,
    e_b_v_mag double not null check (e_b_v_mag >= 0),
    a_v_mag double not null check (a_v_mag >= 0),
    a_v_source varchar not null,
    maps_sha256 varchar not null
);
comment on table core.extinction is 'Milky Way extinction from maps of dust, of objects that no catalogue gives A_V for under any of their ids. Empty where no maps have landed. One row per object with a place and without A_V.';
comment on column core.extinction.object_id is 'Object id.';
comment on column core.extinction.ra_deg is 'Right ascension at which the map was read: the catalogue''s, else the mean of the packets [deg].';
comment on column core.extinction.dec_deg is 'Declination at which the map was read [deg].';
comment on column core.extinction.e_b_v_mag is 'Reddening E(B-V) as the map has it, before the factor of 0.86 (Schlafly & Finkbeiner 2011) [mag].';
comment on column core.extinction.a_v_mag is 'Milky Way A_V: 3.1 x 0.86 x E(B-V) [mag].';
comment on column core.extinction.a_v_source is 'Whose map: SFD (Schlegel, Finkbeiner & Davis 1998).';
comment on column core.extinction.maps_sha256 is 'SHA-256 over both maps.';
