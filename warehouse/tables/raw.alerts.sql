create table raw.alerts (
    object_id varchar not null, -- formerly ztf_id
    survey varchar not null, -- if absent: 'ztf'
    candid bigint not null,
    jd double not null,
    fid integer not null, -- once check (fid in (1, 2, 3))
    ra double not null,
    dec double not null,
    magpsf float not null,
    sigmapsf float not null check (sigmapsf >= 0),
    isdiffpos varchar not null,
    programid integer,
    field integer,
    rcid integer,
    nid integer,
    nneg integer,
    nbad integer,
    ndethist integer,
    ncovhist integer,
    objectidps1 bigint,
    objectidps2 bigint,
    objectidps3 bigint,
    xpos float,
    ypos float,
    mindtoedge float,
    diffmaglim float,
    magzpsci float,
    rb float,
    drb float,
    classtar float,
    fwhm float,
    elong float,
    scorr float,
    exptime float,
    ssmagnr float,
    distnr float,
    magnr float,
    neargaia float,
    maggaia float,
    neargaiabright float,
    maggaiabright float,
    sgscore1 float,
    distpsnr1 float,
    sgmag1 float,
    srmag1 float,
    simag1 float,
    szmag1 float,
    sgscore2 float,
    distpsnr2 float,
    sgmag2 float,
    srmag2 float,
    simag2 float,
    szmag2 float,
    sgscore3 float,
    distpsnr3 float,
    sgmag3 float,
    srmag3 float,
    simag3 float,
    szmag3 float,
    ssdistnr float,
    jdstarthist double,
    jdendhist double,
    jdstartref double,
    jdendref double,
    has_science_cutout boolean not null,
    has_reference_cutout boolean not null,
    has_difference_cutout boolean not null,
    schemavsn varchar not null,
    publisher varchar not null,
    prv_candidates struct(candid bigint, jd double, fid integer, magpsf float, sigmapsf float, isdiffpos varchar, diffmaglim float, rb float, ra double, dec double)[] not null,
    fp_hists struct(jd double, fid integer, forcediffimflux float, forcediffimfluxunc float, magzpsci float, diffmaglim float, ranr double, decnr double, procstatus varchar)[],
    visit bigint, -- if absent: null
    detector integer, -- if absent: null
    midpointMjdTai double, -- if absent: null
    timeProcessedMjdTai double, -- if absent: null
    psfFlux float, -- if absent: null
    psfFluxErr float, -- if absent: null
    scienceFlux float, -- if absent: null
    scienceFluxErr float, -- if absent: null
    templateFlux float, -- if absent: null
    templateFluxErr float, -- if absent: null
    snr float, -- if absent: null
    reliability float, -- if absent: null
    extendedness float, -- if absent: null
    raErr float, -- if absent: null
    decErr float, -- if absent: null
    observation_reason varchar, -- if absent: null
    target_name varchar, -- if absent: null
    flags varchar[], -- if absent: null
    prvDiaForcedSources struct(diaForcedSourceId bigint, visit bigint, detector integer, band varchar, ra double, dec double, midpointMjdTai double, psfFlux float, psfFluxErr float, scienceFlux float, scienceFluxErr float, timeProcessedMjdTai double, timeWithdrawnMjdTai double)[], -- if absent: null
    path varchar not null,
    member varchar,
    sha256 varchar not null,
    primary key (object_id, candid)
);
comment on table raw.alerts is 'Alert packets. What ZTF sends has ZTF''s own field names, and what Rubin sends beside it has Rubin''s; ZTF''s -999, Rubin''s NaN and lost values are null; cutouts stay in the landing folder. One row per packet.';
comment on column raw.alerts.object_id is 'Object id: ZTF''s objectId, Rubin''s diaObjectId.';
comment on column raw.alerts.survey is 'Survey that sent the packet: ztf or lsst.';
comment on column raw.alerts.candid is 'ZTF''s number of the packet, Rubin''s diaSourceId: unique among detections.';
comment on column raw.alerts.jd is 'Start of the exposure [Julian date, UTC]; Rubin''s is made of midpointMjdTai: minus 37 s, minus half of the exposure.';
comment on column raw.alerts.fid is 'Filter: ZTF''s 1 g, 2 r, 3 i; Rubin names its bands, which are 11 u, 12 g, 13 r, 14 i, 15 z, 16 y here.';
comment on column raw.alerts.ra is 'Right ascension of the detection [deg, J2000].';
comment on column raw.alerts.dec is 'Declination of the detection [deg, J2000].';
comment on column raw.alerts.magpsf is 'PSF magnitude in the difference image [AB mag]; its sign is in isdiffpos.';
comment on column raw.alerts.sigmapsf is 'Error of magpsf [mag].';
comment on column raw.alerts.isdiffpos is 't or 1: the source brightened against the reference; f or 0: it faded.';
comment on column raw.alerts.programid is 'Programme: 1 public, 2 partnership, 3 Caltech.';
comment on column raw.alerts.field is 'ZTF field.';
comment on column raw.alerts.rcid is 'Readout channel, 0 to 63.';
comment on column raw.alerts.nid is 'Night number.';
comment on column raw.alerts.nneg is 'Negative pixels in a 5 by 5 pixel box on the difference.';
comment on column raw.alerts.nbad is 'Bad pixels in a 5 by 5 pixel box on the difference.';
comment on column raw.alerts.ndethist is 'Earlier detections at this position.';
comment on column raw.alerts.ncovhist is 'Earlier exposures that covered this position.';
comment on column raw.alerts.objectidps1 is 'Nearest Pan-STARRS1 source: its id there.';
comment on column raw.alerts.objectidps2 is 'Second nearest Pan-STARRS1 source: its id there.';
comment on column raw.alerts.objectidps3 is 'Third nearest Pan-STARRS1 source: its id there.';
comment on column raw.alerts.xpos is 'Column of the detection on the readout quadrant [px, the first pixel is 1]; 3072 columns.';
comment on column raw.alerts.ypos is 'Row of the detection on the readout quadrant [px, the first pixel is 1]; 3080 rows.';
comment on column raw.alerts.mindtoedge is 'Distance to the nearest edge of the quadrant [px].';
comment on column raw.alerts.diffmaglim is 'Five sigma limit of the difference image [AB mag].';
comment on column raw.alerts.magzpsci is 'Zero point of the science image [mag].';
comment on column raw.alerts.rb is 'ZTF''s real-bogus score, 0 bogus to 1 real.';
comment on column raw.alerts.drb is 'ZTF''s deep-learning real-bogus score, 0 bogus to 1 real.';
comment on column raw.alerts.classtar is 'Star-galaxy score of SExtractor, 1 for a star.';
comment on column raw.alerts.fwhm is 'Width of the source [px, full width at half maximum].';
comment on column raw.alerts.elong is 'Long over short axis of the source.';
comment on column raw.alerts.scorr is 'Peak signal to noise in the match-filtered difference.';
comment on column raw.alerts.exptime is 'Exposure time [s]; Rubin says it since schema 11.1.';
comment on column raw.alerts.ssmagnr is 'Magnitude of the nearest known solar system object [mag].';
comment on column raw.alerts.distnr is 'Distance to the nearest source of the reference image [px].';
comment on column raw.alerts.magnr is 'Magnitude of the nearest source of the reference image [AB mag].';
comment on column raw.alerts.neargaia is 'Distance to the nearest source of Gaia [arcsec].';
comment on column raw.alerts.maggaia is 'G magnitude of the nearest source of Gaia [mag].';
comment on column raw.alerts.neargaiabright is 'Distance to the nearest source of Gaia brighter than 14 mag [arcsec].';
comment on column raw.alerts.maggaiabright is 'G magnitude of the nearest source of Gaia brighter than 14 mag [mag].';
comment on column raw.alerts.sgscore1 is 'Nearest Pan-STARRS1 source: star-galaxy score, 1 for a star.';
comment on column raw.alerts.distpsnr1 is 'Nearest Pan-STARRS1 source: its distance [arcsec].';
comment on column raw.alerts.sgmag1 is 'Nearest Pan-STARRS1 source: PSF magnitude in g [AB mag].';
comment on column raw.alerts.srmag1 is 'Nearest Pan-STARRS1 source: PSF magnitude in r [AB mag].';
comment on column raw.alerts.simag1 is 'Nearest Pan-STARRS1 source: PSF magnitude in i [AB mag].';
comment on column raw.alerts.szmag1 is 'Nearest Pan-STARRS1 source: PSF magnitude in z [AB mag].';
comment on column raw.alerts.sgscore2 is 'Second nearest Pan-STARRS1 source: star-galaxy score, 1 for a star.';
comment on column raw.alerts.distpsnr2 is 'Second nearest Pan-STARRS1 source: its distance [arcsec].';
comment on column raw.alerts.sgmag2 is 'Second nearest Pan-STARRS1 source: PSF magnitude in g [AB mag].';
comment on column raw.alerts.srmag2 is 'Second nearest Pan-STARRS1 source: PSF magnitude in r [AB mag].';
comment on column raw.alerts.simag2 is 'Second nearest Pan-STARRS1 source: PSF magnitude in i [AB mag].';
comment on column raw.alerts.szmag2 is 'Second nearest Pan-STARRS1 source: PSF magnitude in z [AB mag].';
comment on column raw.alerts.sgscore3 is 'Third nearest Pan-STARRS1 source: star-galaxy score, 1 for a star.';
comment on column raw.alerts.distpsnr3 is 'Third nearest Pan-STARRS1 source: its distance [arcsec].';
comment on column raw.alerts.sgmag3 is 'Third nearest Pan-STARRS1 source: PSF magnitude in g [AB mag].';
comment on column raw.alerts.srmag3 is 'Third nearest Pan-STARRS1 source: PSF magnitude in r [AB mag].';
comment on column raw.alerts.simag3 is 'Third nearest Pan-STARRS1 source: PSF magnitude in i [AB mag].';
comment on column raw.alerts.szmag3 is 'Third nearest Pan-STARRS1 source: PSF magnitude in z [AB mag].';
comment on column raw.alerts.ssdistnr is 'Distance to the nearest known solar system object [arcsec]; null if there is none within 30.';
comment on column raw.alerts.jdstarthist is 'First detection at this position [Julian date].';
comment on column raw.alerts.jdendhist is 'Last detection at this position [Julian date].';
comment on column raw.alerts.jdstartref is 'First exposure in the reference image [Julian date]; a reference taken during the event contains it.';
comment on column raw.alerts.jdendref is 'Last exposure in the reference image [Julian date].';
comment on column raw.alerts.has_science_cutout is 'Whether the packet carries a science cutout.';
comment on column raw.alerts.has_reference_cutout is 'Whether the packet carries a reference cutout (ZTF''s cutoutTemplate).';
comment on column raw.alerts.has_difference_cutout is 'Whether the packet carries a difference cutout.';
comment on column raw.alerts.schemavsn is 'Version of the packet''s schema.';
comment on column raw.alerts.publisher is 'Who published the packet, as written in it.';
comment on column raw.alerts.prv_candidates is 'Earlier detections and non-detections at this position as the packet lists them; a non-detection has no candid or magpsf, only diffmaglim [AB mag].';
comment on column raw.alerts.fp_hists is 'Forced photometry of earlier exposures at this position as packets of schema 4 list it, detected or not: PSF flux in the difference image and its error [DN], zero point [mag], limit [AB mag], nearest source of the reference [deg], and what the processing says of it. Null in rows stored before it was kept, and for Rubin.';
comment on column raw.alerts.visit is 'Rubin: visit of the survey.';
comment on column raw.alerts.detector is 'Rubin: detector, 0 to 188.';
comment on column raw.alerts.midpointMjdTai is 'Rubin: middle of the visit as the packet gives it [MJD, TAI]; jd is made of it.';
comment on column raw.alerts.timeProcessedMjdTai is 'Rubin: when the image was processed [MJD, TAI].';
comment on column raw.alerts.psfFlux is 'Rubin: PSF flux in the difference image with its sign [nJy]; magpsf is made of it.';
comment on column raw.alerts.psfFluxErr is 'Rubin: error of psfFlux [nJy].';
comment on column raw.alerts.scienceFlux is 'Rubin: PSF flux in the science image [nJy].';
comment on column raw.alerts.scienceFluxErr is 'Rubin: error of scienceFlux [nJy].';
comment on column raw.alerts.templateFlux is 'Rubin: PSF flux in the reference image [nJy].';
comment on column raw.alerts.templateFluxErr is 'Rubin: error of templateFlux [nJy].';
comment on column raw.alerts.snr is 'Rubin: signal to noise at which the source was detected.';
comment on column raw.alerts.reliability is 'Rubin: score from 0, an artefact, to 1; brokers advise against relying on it alone.';
comment on column raw.alerts.extendedness is 'Rubin: 0 point-like, 1 extended.';
comment on column raw.alerts.raErr is 'Rubin: error of ra times cos(dec) [deg].';
comment on column raw.alerts.decErr is 'Rubin: error of dec [deg].';
comment on column raw.alerts.observation_reason is 'Rubin: why the survey looked there, such as ddf_edfs_a.';
comment on column raw.alerts.target_name is 'Rubin: what the survey looked at.';
comment on column raw.alerts.flags is 'Rubin: names of the flags that are set for the source. Null for ZTF.';
comment on column raw.alerts.prvDiaForcedSources is 'Rubin: forced photometry of earlier visits at this position, detected or not, under Rubin''s names [nJy; MJD, TAI]. Null for ZTF.';
comment on column raw.alerts.path is 'File in the landing folder, relative to it.';
comment on column raw.alerts.member is 'Name inside the archive; null for a file of its own.';
comment on column raw.alerts.sha256 is 'SHA-256 of the packet''s bytes.';
