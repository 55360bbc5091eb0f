create table core.masked_stamps (
    object_id varchar primary key, -- formerly ztf_id
    candid bigint not null,
    band varchar not null, -- once check (band in ('g', 'r'))
    mjd double not null,
    science float[3600] not null,
    reference float[3600] not null,
    science_unmasked float[3600] not null,
    reference_unmasked float[3600] not null,
    mask boolean[3600] not null,
    science_noise float[] not null,
    reference_noise float[] not null,
    target_x_px double not null,
    target_y_px double not null,
    host_x_px double,
    host_y_px double,
    is_restored boolean not null,
    is_blended boolean not null,
    touches_border boolean not null
);
comment on table core.masked_stamps is 'The best usable pair at or before the classification epoch, other sources replaced by noise (paper, 3.3). One row per object.';
comment on column core.masked_stamps.object_id is 'Object id.';
comment on column core.masked_stamps.candid is 'Packet id of the chosen pair.';
comment on column core.masked_stamps.band is 'Band of the chosen pair: r if there is a good one, else g.';
comment on column core.masked_stamps.mjd is 'Start of the exposure [MJD].';
comment on column core.masked_stamps.science is 'Science image, other sources replaced by its own noise [DN], row by row as in core.stamps.';
comment on column core.masked_stamps.reference is 'Reference image, likewise, with mean and scatter of the science image [DN].';
comment on column core.masked_stamps.science_unmasked is 'Science image with all its sources, missing pixels filled with noise [DN].';
comment on column core.masked_stamps.reference_unmasked is 'Reference image with all its sources, on its own scale, missing pixels filled with noise [DN].';
comment on column core.masked_stamps.mask is 'True = belongs to the transient or its host.';
comment on column core.masked_stamps.science_noise is 'Background of the science image as evenly spaced quantiles, to draw from [DN].';
comment on column core.masked_stamps.reference_noise is 'Background of the reference image on the scale of the science image, likewise [DN].';
comment on column core.masked_stamps.target_x_px is 'Column of the transient, 0 = centre of the first pixel [px].';
comment on column core.masked_stamps.target_y_px is 'Row of the transient, 0 = centre of the first pixel [px].';
comment on column core.masked_stamps.host_x_px is 'Column of the host centre, may lie outside the stamp [px]; null without a host position.';
comment on column core.masked_stamps.host_y_px is 'Row of the host centre, may lie outside the stamp [px]; null without a host position.';
comment on column core.masked_stamps.is_restored is 'Whether either image is a repaired one.';
comment on column core.masked_stamps.is_blended is 'Another source may be among the kept pixels.';
comment on column core.masked_stamps.touches_border is 'A kept pixel lies on the border: only quarter turns in augmentation.';
