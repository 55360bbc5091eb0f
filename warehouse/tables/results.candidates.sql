create table results.candidates (
    object_id varchar not null, -- formerly ztf_id
    as_of_mjd double not null,
    ablation varchar not null,
    model_kind varchar not null check (model_kind in ('TH', 'T', 'metadata')),
    n_models integer not null check (n_models >= 1),
    model_set varchar not null,
    p_sn double not null check (p_sn between 0 and 1),
    p_slsn double not null check (p_slsn between 0 and 1),
    p_tde double not null check (p_tde between 0 and 1),
    p_slsn_std double not null,
    p_tde_std double not null,
    p_slsn_trees double check (p_slsn_trees between 0 and 1),
    p_tde_trees double check (p_tde_trees between 0 and 1),
    p_other double check (p_other between 0 and 1), -- if absent: null
    outside_range varchar[] not null, -- if absent: []
    first_above_half_mjd double,
    ra_deg double,
    dec_deg double,
    days_since_first double not null,
    n_det_g integer not null,
    n_det_r integer not null,
    peak_mag_g double,
    peak_mag_r double,
    separation_arcsec double,
    host_r_mag double,
    stamp_candid bigint,
    is_simulated boolean not null,
    primary key (object_id, as_of_mjd)
);
comment on table results.candidates is 'Unclassified objects as the deployed models saw them, epoch by epoch; what was said stays when more is known, also after the object is classified (Table 2). One row per candidate and epoch scored.';
comment on column results.candidates.object_id is 'Object id.';
comment on column results.candidates.as_of_mjd is 'Newest detection at that time; nothing later was used [MJD].';
comment on column results.candidates.ablation is 'Ablation of the models.';
comment on column results.candidates.model_kind is 'TH, T or metadata (no stamps, or no model for them).';
comment on column results.candidates.n_models is 'Models averaged.';
comment on column results.candidates.model_set is 'Hash of the models'' ids.';
comment on column results.candidates.p_sn is 'Mean probability of SN.';
comment on column results.candidates.p_slsn is 'Mean probability of SLSN-I.';
comment on column results.candidates.p_tde is 'Mean probability of TDE.';
comment on column results.candidates.p_slsn_std is 'Scatter of p_slsn over the models.';
comment on column results.candidates.p_tde_std is 'Scatter of p_tde over the models.';
comment on column results.candidates.p_slsn_trees is 'Mean probability of SLSN-I by boosted trees on the same features; null where none were trained.';
comment on column results.candidates.p_tde_trees is 'Mean probability of TDE by boosted trees on the same features; null where none were trained.';
comment on column results.candidates.p_other is 'Probability of being none of the classes, such as a nova or an active nucleus, for the share of such objects that the settings state (other.prior, one half); null without a model in results.other_models.';
comment on column results.candidates.outside_range is 'Features that lie outside of what every model was trained on: its scores there are guesses.';
comment on column results.candidates.first_above_half_mjd is 'First epoch scored at which p_slsn or p_tde was above 0.5 [MJD]; null if never.';
comment on column results.candidates.ra_deg is 'Right ascension, median of its packets [deg, J2000].';
comment on column results.candidates.dec_deg is 'Declination, median of its packets [deg, J2000].';
comment on column results.candidates.days_since_first is 'From the first detection to as_of_mjd [d].';
comment on column results.candidates.n_det_g is 'Clean g epochs.';
comment on column results.candidates.n_det_r is 'Clean r epochs.';
comment on column results.candidates.peak_mag_g is 'Brightest g magnitude so far [AB mag].';
comment on column results.candidates.peak_mag_r is 'Brightest r magnitude so far [AB mag].';
comment on column results.candidates.separation_arcsec is 'Distance from the centre of the host [arcsec]; null without a host.';
comment on column results.candidates.host_r_mag is 'Host magnitude in r [AB mag].';
comment on column results.candidates.stamp_candid is 'Packet whose stamps were looked at; null without.';
comment on column results.candidates.is_simulated is 'Whether the object is simulated.';
