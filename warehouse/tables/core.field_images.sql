create table core.field_images (
    object_id varchar not null,
    band varchar not null,
    image float[3600] not null,
    masked float[3600] not null,
    mask boolean[3600] not null,
    target_x_px double not null,
    target_y_px double not null,
    host_x_px double,
    host_y_px double,
    host_state varchar not null check (host_state in ('none', 'found', 'not_detected', 'outside')),
    n_kept integer not null,
    is_blended boolean not null,
    touches_border boolean not null,
    n_sources_removed integer not null,
    unit varchar,
    pixel_scale_arcsec double not null check (pixel_scale_arcsec > 0),
    rotation_deg double not null,
    covered_fraction double not null check (covered_fraction between 0 and 1),
    path varchar not null,
    sha256 varchar not null,
    primary key (object_id, band)
);
comment on table core.field_images is 'Images of the field from other surveys (field_images/ of the landing folder), on the pixels of ZTF''s stamps with north up and the object in the middle, and masked as those are. They show the field at another time, with another point spread; no network sees them. One row per object and band.';
comment on column core.field_images.object_id is 'Object id.';
comment on column core.field_images.band is 'Band, as the name of the file says.';
comment on column core.field_images.image is 'Fluxes in unit, 60 rows of 60 pixels of 1.01 arcsec, the northernmost first, east towards smaller columns; NaN = not covered.';
comment on column core.field_images.masked is 'The same with all sources but the object''s and its host''s replaced by noise; none is missing.';
comment on column core.field_images.mask is 'Pixels that belong to the object or its host.';
comment on column core.field_images.target_x_px is 'Column of the object [px from 0].';
comment on column core.field_images.target_y_px is 'Row of the object [px from 0].';
comment on column core.field_images.host_x_px is 'Column of the host''s centre [px from 0], which may lie outside; null without a host.';
comment on column core.field_images.host_y_px is 'Row of the host''s centre [px from 0].';
comment on column core.field_images.host_state is 'Host in the image: none known, found, not_detected, or outside.';
comment on column core.field_images.n_kept is 'Pixels set in mask.';
comment on column core.field_images.is_blended is 'What is kept may hold another source.';
comment on column core.field_images.touches_border is 'What is kept reaches the edge.';
comment on column core.field_images.n_sources_removed is 'Sources that were replaced.';
comment on column core.field_images.unit is 'Unit of the fluxes as the file calls it; null if it does not say.';
comment on column core.field_images.pixel_scale_arcsec is 'Size of the file''s own pixels.';
comment on column core.field_images.rotation_deg is 'How the file lay: position angle of its columns'' direction, from north through east, -180 to 180.';
comment on column core.field_images.covered_fraction is 'Share of the pixels that the file covers.';
comment on column core.field_images.path is 'File below the landing folder.';
comment on column core.field_images.sha256 is 'Its hash.';
