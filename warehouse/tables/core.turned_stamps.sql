create table core.turned_stamps (
    object_id varchar not null,
    candid bigint not null,
    band varchar not null,
    mjd double not null,
    n_px integer not null check (n_px > 0 and n_px % 2 = 1),
    science float[],
    reference float[],
    difference float[],
    science_variance float[],
    reference_variance float[],
    pixel_scale_arcsec double not null check (pixel_scale_arcsec > 0),
    rotation_deg double not null,
    reach_arcsec double not null check (reach_arcsec >= 0),
    noise_ratio double,
    is_good boolean not null,
    reasons varchar[] not null,
    primary key (object_id, candid)
);
comment on table core.turned_stamps is 'Small cutouts that lay as the camera did (Rubin''s, 6 arcsec across), turned so that north is up and east left, with the transient in the middle pixel. No network that is trained on core.stamps sees them. One row per packet with cutouts.';
comment on column core.turned_stamps.object_id is 'Object id.';
comment on column core.turned_stamps.candid is 'Packet id.';
comment on column core.turned_stamps.band is 'Band of the survey, for Rubin u, g, r, i, z or y.';
comment on column core.turned_stamps.mjd is 'Start of the exposure [MJD, UTC].';
comment on column core.turned_stamps.n_px is 'Rows and columns of the images: enough for the cutout whichever way it lay.';
comment on column core.turned_stamps.science is 'Science image [nJy], n_px rows of n_px columns, the northernmost first, east towards smaller columns; NaN = missing or outside the cutout; null without a cutout.';
comment on column core.turned_stamps.reference is 'Reference image [nJy], rows and columns as in science.';
comment on column core.turned_stamps.difference is 'Difference image [nJy], rows and columns as in science.';
comment on column core.turned_stamps.science_variance is 'Variance of the pixels of science [nJy^2]; null if the cutout does not say it.';
comment on column core.turned_stamps.reference_variance is 'Variance of the pixels of reference [nJy^2]; null if the cutout does not say it.';
comment on column core.turned_stamps.pixel_scale_arcsec is 'Size of a pixel, the same before and after turning.';
comment on column core.turned_stamps.rotation_deg is 'How the cutout lay: position angle of its columns'' direction, from north through east, -180 to 180.';
comment on column core.turned_stamps.reach_arcsec is 'Distance from the transient to the nearest edge of the cutout: a host farther away is not in it.';
comment on column core.turned_stamps.noise_ratio is 'Robust scatter of the difference in units of its stated error, near 1 where the variance is right; null without a variance.';
comment on column core.turned_stamps.is_good is 'No reason speaks against it.';
comment on column core.turned_stamps.reasons is 'What speaks against it: pixels missing at the edge of a detector or at the target, a constant image, noise that disagrees with the variance.';
