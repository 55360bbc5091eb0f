create table core.detections (
    object_id varchar not null, -- formerly ztf_id
    candid bigint,
    mjd double not null,
    band varchar not null, -- once check (band in ('g', 'r', 'i'))
    mag float not null,
    mag_err float not null check (mag_err > 0),
    is_positive boolean not null,
    is_mw_corrected boolean not null,
    has_stamp boolean not null,
    source varchar not null,
    primary key (object_id, band, mjd)
);
comment on table core.detections is 'Every detection of an object from packets, their history and landed photometry, without repetition. One row per detection.';
comment on column core.detections.object_id is 'Object id.';
comment on column core.detections.candid is 'Packet id; null if the detection has none.';
comment on column core.detections.mjd is 'Start of the exposure [MJD].';
comment on column core.detections.band is 'Band of the survey, for ZTF g, r or i.';
comment on column core.detections.mag is 'Difference magnitude [AB mag].';
comment on column core.detections.mag_err is 'Its error, 1 sigma [mag].';
comment on column core.detections.is_positive is 'True: brighter than the reference. False: fainter (isdiffpos f).';
comment on column core.detections.is_mw_corrected is 'Whether Milky Way extinction was already removed by the source.';
comment on column core.detections.has_stamp is 'Whether a landed packet holds the stamps of this detection.';
comment on column core.detections.source is 'packet, history (an earlier detection told by a packet) or the photometry source.';
