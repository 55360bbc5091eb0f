create table core.synthetic_samples (
    model_kind varchar not null check (model_kind in ('TH', 'T', 'metadata')),
    fold integer not null check (fold >= 0),
    label varchar not null check (label in ('SN', 'SLSN-I', 'TDE')),
    sample integer not null check (sample >= 0),
    bands varchar not null, -- if absent: 'g,r'
    light_curve_parent varchar not null,
    image_parent varchar not null,
    light_curve_redshift double not null check (light_curve_redshift > 0),
    image_redshift double not null check (image_redshift > 0),
    seed bigint not null,
    rotation_deg double not null check (rotation_deg >= 0 and rotation_deg < 360),
    flip boolean not null,
    n_attempts integer not null check (n_attempts >= 1),
    n_det_g integer not null check (n_det_g >= 0),
    n_det_r integer not null check (n_det_r >= 0),
    parents_hash varchar not null,
    peak_mag_g double,
    discovery_mag_g double,
    rise_mag_g double,
    rise_days_g double,
    days_since_discovery_g double,
    recent_slope_mag_per_day_g double,
    discovery_slope_mag_per_day_g double,
    slope_change_mag_per_day_g double,
    peak_mag_r double,
    discovery_mag_r double,
    rise_mag_r double,
    rise_days_r double,
    days_since_discovery_r double,
    recent_slope_mag_per_day_r double,
    discovery_slope_mag_per_day_r double,
    slope_change_mag_per_day_r double,
    peak_g_minus_r_mag double,
    peak_g_minus_r_days double,
    discovery_g_minus_r_mag double,
    colour_change_mag double,
    separation_arcsec double,
    peak_minus_host_mag_g double,
    peak_minus_host_mag_r double,
    peak_minus_host_g_minus_r_mag double,
    host_g_mag double,
    host_r_mag double,
    host_i_mag double,
    host_z_mag double,
    host_y_mag double,
    host_g_minus_r_mag double,
    host_r_minus_i_mag double,
    host_i_minus_z_mag double,
    host_z_minus_y_mag double,
    primary key (model_kind, fold, label, sample)
);
comment on table core.synthetic_samples is 'Recipes of synthetic samples: the light curve of one object on the stamps and host of another of its class (section 5). Pixels are rendered at training. One row per synthetic sample of a training part.';
comment on column core.synthetic_samples.model_kind is 'Which kind of model trains on it: TH (hosted, with stamps), T (hostless, with stamps) or metadata (no stamps needed).';
comment on column core.synthetic_samples.fold is 'Number of the model; both parents are in its training part.';
comment on column core.synthetic_samples.label is 'Class of both parents.';
comment on column core.synthetic_samples.sample is 'Number of the sample, from 0; the first n are the same whatever the number asked for.';
comment on column core.synthetic_samples.bands is 'The bluer and the redder band of the survey that the features are of, as in core.features.';
comment on column core.synthetic_samples.light_curve_parent is 'ZTF id of the object whose light curve was sampled again.';
comment on column core.synthetic_samples.image_parent is 'ZTF id of the object whose stamps and host are used.';
comment on column core.synthetic_samples.light_curve_redshift is 'Redshift of the light curves own object.';
comment on column core.synthetic_samples.image_redshift is 'Redshift of the sample: that of the image parent.';
comment on column core.synthetic_samples.seed is 'Seed of everything random in the sample: epochs, magnitudes, scatter, noise in turned stamps.';
comment on column core.synthetic_samples.rotation_deg is 'Angle by which the stamps are turned anticlockwise [deg]; a multiple of 90 unless transient and host are complete.';
comment on column core.synthetic_samples.flip is 'Whether the stamps are mirrored left to right first.';
comment on column core.synthetic_samples.n_attempts is 'Draws until one could be seen by the survey.';
comment on column core.synthetic_samples.n_det_g is 'g detections up to the classification epoch.';
comment on column core.synthetic_samples.n_det_r is 'r detections up to the classification epoch.';
comment on column core.synthetic_samples.parents_hash is 'Hash of all possible parents and settings; samples are drawn again when it changes.';
comment on column core.synthetic_samples.peak_mag_g is 'Brightest g magnitude so far [AB mag].';
comment on column core.synthetic_samples.discovery_mag_g is 'First g magnitude [AB mag].';
comment on column core.synthetic_samples.rise_mag_g is 'Current minus first g magnitude, negative while rising [mag].';
comment on column core.synthetic_samples.rise_days_g is 'Time from the first g detection to the current one [d].';
comment on column core.synthetic_samples.days_since_discovery_g is 'Time from the first detection in g or r to the current one in g [d].';
comment on column core.synthetic_samples.recent_slope_mag_per_day_g is 'Slope from the previous g detection to the current one [mag/d]; null without a previous one.';
comment on column core.synthetic_samples.discovery_slope_mag_per_day_g is 'Slope from the first g detection to the current one [mag/d]; null where they are the same.';
comment on column core.synthetic_samples.slope_change_mag_per_day_g is 'Slope since discovery minus recent slope in g [mag/d].';
comment on column core.synthetic_samples.peak_mag_r is 'Brightest r magnitude so far [AB mag].';
comment on column core.synthetic_samples.discovery_mag_r is 'First r magnitude [AB mag].';
comment on column core.synthetic_samples.rise_mag_r is 'Current minus first r magnitude, negative while rising [mag].';
comment on column core.synthetic_samples.rise_days_r is 'Time from the first r detection to the current one [d].';
comment on column core.synthetic_samples.days_since_discovery_r is 'Time from the first detection in g or r to the current one in r [d].';
comment on column core.synthetic_samples.recent_slope_mag_per_day_r is 'Slope from the previous r detection to the current one [mag/d]; null without a previous one.';
comment on column core.synthetic_samples.discovery_slope_mag_per_day_r is 'Slope from the first r detection to the current one [mag/d]; null where they are the same.';
comment on column core.synthetic_samples.slope_change_mag_per_day_r is 'Slope since discovery minus recent slope in r [mag/d].';
comment on column core.synthetic_samples.peak_g_minus_r_mag is 'Brightest g minus brightest r magnitude so far, each at its own time [mag].';
comment on column core.synthetic_samples.peak_g_minus_r_days is 'Time of brightest g minus that of brightest r so far [d].';
comment on column core.synthetic_samples.discovery_g_minus_r_mag is 'First g minus first r magnitude [mag].';
comment on column core.synthetic_samples.colour_change_mag is 'Colour at peak minus colour at discovery [mag].';
comment on column core.synthetic_samples.separation_arcsec is 'Distance between host centre and transient [arcsec].';
comment on column core.synthetic_samples.peak_minus_host_mag_g is 'Brightest g magnitude so far minus that of the host, negative where the transient is brighter [mag].';
comment on column core.synthetic_samples.peak_minus_host_mag_r is 'Brightest r magnitude so far minus that of the host, negative where the transient is brighter [mag].';
comment on column core.synthetic_samples.peak_minus_host_g_minus_r_mag is 'peak_minus_host_mag_g - peak_minus_host_mag_r [mag].';
comment on column core.synthetic_samples.host_g_mag is 'Host magnitude in g, dereddened [AB mag].';
comment on column core.synthetic_samples.host_r_mag is 'Host magnitude in r, dereddened [AB mag].';
comment on column core.synthetic_samples.host_i_mag is 'Host magnitude in i, dereddened [AB mag].';
comment on column core.synthetic_samples.host_z_mag is 'Host magnitude in z, dereddened [AB mag].';
comment on column core.synthetic_samples.host_y_mag is 'Host magnitude in y, dereddened [AB mag].';
comment on column core.synthetic_samples.host_g_minus_r_mag is 'Host colour g - r, dereddened [mag].';
comment on column core.synthetic_samples.host_r_minus_i_mag is 'Host colour r - i, dereddened [mag].';
comment on column core.synthetic_samples.host_i_minus_z_mag is 'Host colour i - z, dereddened [mag].';
comment on column core.synthetic_samples.host_z_minus_y_mag is 'Host colour z - y, dereddened [mag].';
