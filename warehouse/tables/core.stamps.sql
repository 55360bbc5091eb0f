create table core.stamps (
    object_id varchar not null, -- formerly ztf_id
    candid bigint not null,
    band varchar not null, -- once check (band in ('g', 'r', 'i'))
    mjd double not null,
    science float[3600],
    reference float[3600],
    target_x_px double not null,
    target_y_px double not null,
    host_x_px double,
    host_y_px double,
    primary key (object_id, candid)
);
comment on table core.stamps is 'The science and reference images around a detection, 60 x 60 pixels of 1.01 arcsec, north up and east left. One row per packet with cutouts.';
comment on column core.stamps.object_id is 'Object id.';
comment on column core.stamps.candid is 'Packet id.';
comment on column core.stamps.band is 'Band of the survey, for ZTF g, r or i.';
comment on column core.stamps.mjd is 'Start of the exposure [MJD].';
comment on column core.stamps.science is 'Science image [DN], row by row, the northernmost first, east towards smaller columns; NaN = missing; null without a cutout.';
comment on column core.stamps.reference is 'Reference image [DN], rows and columns as in science; NaN = missing; null without a cutout.';
comment on column core.stamps.target_x_px is 'Column of the transient, 0 = centre of the first pixel [px].';
comment on column core.stamps.target_y_px is 'Row of the transient, 0 = centre of the first pixel [px].';
comment on column core.stamps.host_x_px is 'Column of the host centre, may lie outside the stamp [px]; null without a host position.';
comment on column core.stamps.host_y_px is 'Row of the host centre, may lie outside the stamp [px]; null without a host position.';
