create table core.features (
    object_id varchar primary key, -- formerly ztf_id
    as_of_mjd double not null,
    bands varchar not null, -- if absent: 'g,r'
    features_from varchar not null, -- if absent: 'detections'
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
    n_det_g integer not null check (n_det_g >= 0),
    n_det_r integer not null check (n_det_r >= 0),
    has_g boolean not null,
    has_r boolean not null,
    has_host boolean not null,
    has_redshift boolean not null,
    has_mw_correction boolean not null
);
comment on table core.features is 'The features of Table 1 as of the classification epoch, from detections cleaned as they stood then; null = missing, never zero. One row per object with a cleaned light curve.';
comment on column core.features.object_id is 'Object id.';
comment on column core.features.as_of_mjd is 'Classification epoch: nothing later was used [MJD].';
comment on column core.features.bands is 'The bluer and the redder band of the survey that the features are of, such as g,r: columns named g hold the first, those named r the second.';
comment on column core.features.features_from is 'detections; or fit of g, fit of r, fit of g and r: the object was not seen in that band up to as_of_mjd, and its features there are those of the Gaussian process through at least two other bands, at ZTF''s wavelengths.';
comment on column core.features.peak_mag_g is 'Brightest g magnitude so far [AB mag].';
comment on column core.features.discovery_mag_g is 'First g magnitude [AB mag].';
comment on column core.features.rise_mag_g is 'Current minus first g magnitude, negative while rising [mag].';
comment on column core.features.rise_days_g is 'Time from the first g detection to the current one [d].';
comment on column core.features.days_since_discovery_g is 'Time from the first detection in g or r to the current one in g [d].';
comment on column core.features.recent_slope_mag_per_day_g is 'Slope from the previous g detection to the current one [mag/d]; null without a previous one.';
comment on column core.features.discovery_slope_mag_per_day_g is 'Slope from the first g detection to the current one [mag/d]; null where they are the same.';
comment on column core.features.slope_change_mag_per_day_g is 'Slope since discovery minus recent slope in g [mag/d].';
comment on column core.features.peak_mag_r is 'Brightest r magnitude so far [AB mag].';
comment on column core.features.discovery_mag_r is 'First r magnitude [AB mag].';
comment on column core.features.rise_mag_r is 'Current minus first r magnitude, negative while rising [mag].';
comment on column core.features.rise_days_r is 'Time from the first r detection to the current one [d].';
comment on column core.features.days_since_discovery_r is 'Time from the first detection in g or r to the current one in r [d].';
comment on column core.features.recent_slope_mag_per_day_r is 'Slope from the previous r detection to the current one [mag/d]; null without a previous one.';
comment on column core.features.discovery_slope_mag_per_day_r is 'Slope from the first r detection to the current one [mag/d]; null where they are the same.';
comment on column core.features.slope_change_mag_per_day_r is 'Slope since discovery minus recent slope in r [mag/d].';
comment on column core.features.peak_g_minus_r_mag is 'Brightest g minus brightest r magnitude so far, each at its own time [mag].';
comment on column core.features.peak_g_minus_r_days is 'Time of brightest g minus that of brightest r so far [d].';
comment on column core.features.discovery_g_minus_r_mag is 'First g minus first r magnitude [mag].';
comment on column core.features.colour_change_mag is 'Colour at peak minus colour at discovery [mag].';
comment on column core.features.separation_arcsec is 'Distance between host centre and transient [arcsec].';
comment on column core.features.peak_minus_host_mag_g is 'Brightest g magnitude so far minus that of the host, negative where the transient is brighter [mag].';
comment on column core.features.peak_minus_host_mag_r is 'Brightest r magnitude so far minus that of the host, negative where the transient is brighter [mag].';
comment on column core.features.peak_minus_host_g_minus_r_mag is 'peak_minus_host_mag_g - peak_minus_host_mag_r [mag].';
comment on column core.features.host_g_mag is 'Host magnitude in g, dereddened [AB mag].';
comment on column core.features.host_r_mag is 'Host magnitude in r, dereddened [AB mag].';
comment on column core.features.host_i_mag is 'Host magnitude in i, dereddened [AB mag].';
comment on column core.features.host_z_mag is 'Host magnitude in z, dereddened [AB mag].';
comment on column core.features.host_y_mag is 'Host magnitude in y, dereddened [AB mag].';
comment on column core.features.host_g_minus_r_mag is 'Host colour g - r, dereddened [mag].';
comment on column core.features.host_r_minus_i_mag is 'Host colour r - i, dereddened [mag].';
comment on column core.features.host_i_minus_z_mag is 'Host colour i - z, dereddened [mag].';
comment on column core.features.host_z_minus_y_mag is 'Host colour z - y, dereddened [mag].';
comment on column core.features.n_det_g is 'Clean g epochs up to as_of_mjd.';
comment on column core.features.n_det_r is 'Clean r epochs up to as_of_mjd.';
comment on column core.features.has_g is 'Has g epochs up to as_of_mjd. Never a feature.';
comment on column core.features.has_r is 'Has r epochs up to as_of_mjd. Never a feature.';
comment on column core.features.has_host is 'Has an associated host. Never a feature.';
comment on column core.features.has_redshift is 'Its redshift is known. Never a feature.';
comment on column core.features.has_mw_correction is 'All its epochs are free of Milky Way extinction. Never a feature.';
