create table core.vetting (
    object_id varchar primary key,
    is_on_star boolean not null,
    is_near_bright_star boolean not null,
    has_history boolean not null,
    is_fading_often boolean not null,
    is_bogus boolean not null,
    is_moving boolean not null,
    is_old boolean not null,
    is_past_peak boolean not null,
    has_few_detections boolean not null,
    reasons varchar[] not null,
    n_epochs integer not null check (n_epochs >= 1),
    age_days double not null check (age_days >= 0),
    days_since_peak double not null check (days_since_peak >= 0),
    negative_fraction double check (negative_fraction between 0 and 1),
    source_star_score float,
    source_separation_arcsec float,
    source_mag float,
    bright_star_separation_arcsec float,
    bright_star_mag float,
    history_days double,
    n_earlier_detections integer,
    real_bogus float,
    deep_real_bogus float,
    solar_system_arcsec float
);
comment on table core.vetting is 'What speaks against an object being a new supernova or tidal disruption, before any model is asked, as of its newest detection; nothing is dropped for it, but candidates with fewer reasons are ranked first. One row per object with a cleaned light curve.';
comment on column core.vetting.object_id is 'Object id.';
comment on column core.vetting.is_on_star is 'The nearest Pan-STARRS source is a star, or too bright to be told from one, and lies at the position.';
comment on column core.vetting.is_near_bright_star is 'A very bright star of Gaia is near, whose light makes artefacts.';
comment on column core.vetting.has_history is 'The survey knows many detections at this position, from long before.';
comment on column core.vetting.is_fading_often is 'Many of its detections are fainter than the reference: it varies, or the reference holds it.';
comment on column core.vetting.is_bogus is 'No packet of it has a good real-bogus score (drb where there is one, else rb).';
comment on column core.vetting.is_moving is 'A known solar system object was near.';
comment on column core.vetting.is_old is 'Detected for longer than supernovae take to peak.';
comment on column core.vetting.is_past_peak is 'Its newest detection is long after its brightest one.';
comment on column core.vetting.has_few_detections is 'Fewer cleaned epochs than are needed.';
comment on column core.vetting.reasons is 'The same as sentences with what was measured.';
comment on column core.vetting.n_epochs is 'Cleaned epochs, all bands.';
comment on column core.vetting.age_days is 'From its first to its newest cleaned epoch [d].';
comment on column core.vetting.days_since_peak is 'From its brightest to its newest cleaned epoch [d].';
comment on column core.vetting.negative_fraction is 'Share of its detections that are fainter than the reference; null without any.';
comment on column core.vetting.source_star_score is 'Nearest Pan-STARRS source in its newest packet: 1 for a star, 0 for a galaxy, exactly 0.5 where Pan-STARRS could not tell.';
comment on column core.vetting.source_separation_arcsec is 'Its distance [arcsec].';
comment on column core.vetting.source_mag is 'Its magnitude in r, or in i, g or z where that is not known [AB mag].';
comment on column core.vetting.bright_star_separation_arcsec is 'Nearest star of Gaia brighter than 14 mag in its newest packet [arcsec].';
comment on column core.vetting.bright_star_mag is 'Its G magnitude [mag].';
comment on column core.vetting.history_days is 'From the first detection at this position that the survey knows to the newest packet [d].';
comment on column core.vetting.n_earlier_detections is 'Detections at this position that the survey counts.';
comment on column core.vetting.real_bogus is 'Best rb of its packets, 1 for real.';
comment on column core.vetting.deep_real_bogus is 'Best drb of its packets, 1 for real.';
comment on column core.vetting.solar_system_arcsec is 'Nearest to a known solar system object that any packet was [arcsec].';
