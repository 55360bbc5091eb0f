create table core.forced_photometry (
    object_id varchar not null,
    mjd double not null,
    band varchar not null,
    flux_microjansky double not null,
    flux_err_microjansky double not null check (flux_err_microjansky > 0),
    reference_flux_microjansky double,
    offset_arcsec double,
    status varchar,
    is_suspect boolean not null,
    processed_mjd double,
    candid bigint, -- once not null
    source varchar, -- if absent: null
    primary key (object_id, band, mjd)
);
comment on table core.forced_photometry is 'Fluxes measured at the position of an object whether or not anything was seen there, as the packets of both surveys and landed photometry tell them; of one exposure the newest processing counts. One row per exposure.';
comment on column core.forced_photometry.object_id is 'Object id.';
comment on column core.forced_photometry.mjd is 'Start of the exposure [MJD, UTC].';
comment on column core.forced_photometry.band is 'Band of the survey.';
comment on column core.forced_photometry.flux_microjansky is 'PSF flux in the difference image with its sign [microjansky]; Milky Way extinction is still in it.';
comment on column core.forced_photometry.flux_err_microjansky is 'Its error, 1 sigma [microjansky].';
comment on column core.forced_photometry.reference_flux_microjansky is 'PSF flux at the position in the reference image [microjansky], from Rubin''s scienceFlux; null for ZTF.';
comment on column core.forced_photometry.offset_arcsec is 'How far from the median of the object''s detections it was measured [arcsec]: flux is lost there. Null for ZTF.';
comment on column core.forced_photometry.status is 'What the survey''s processing says of it: ZTF''s procstatus, 0 without complaint; null for Rubin, which says nothing.';
comment on column core.forced_photometry.is_suspect is 'The processing complains (ZTF''s procstatus other than 0 and 57); or it was measured farther than 0.2 arcsec from the object, or the science image shows nothing where the reference shows much, as where a visit has no data (Rubin). The Gaussian process does not see it.';
comment on column core.forced_photometry.processed_mjd is 'When it was processed [MJD, UTC]; for packets of ZTF, which do not say, when the packet''s exposure began; null for landed photometry that does not say, which any packet then replaces.';
comment on column core.forced_photometry.candid is 'Packet that told it; null for landed photometry.';
comment on column core.forced_photometry.source is 'Where landed photometry is from, photometry if it does not say; null for packets.';
