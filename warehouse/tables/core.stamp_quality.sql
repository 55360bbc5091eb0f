create table core.stamp_quality (
    object_id varchar not null, -- formerly ztf_id
    candid bigint not null,
    image varchar not null check (image in ('science', 'reference')),
    band varchar not null, -- once check (band in ('g', 'r', 'i'))
    is_good boolean not null,
    reasons varchar[] not null,
    n_invalid integer not null check (n_invalid between 0 and 3600),
    p_good double check (p_good between 0 and 1),
    model_id varchar,
    primary key (object_id, candid, image)
);
comment on table core.stamp_quality is 'Which images can be used: named rules, then the score of the learned checker (paper, 3.1). One row per image of a stamp.';
comment on column core.stamp_quality.object_id is 'Object id.';
comment on column core.stamp_quality.candid is 'Packet id.';
comment on column core.stamp_quality.image is 'science or reference.';
comment on column core.stamp_quality.band is 'Band of the packet.';
comment on column core.stamp_quality.is_good is 'No rule is broken and, if there is a model, p_good reaches the setting good_threshold.';
comment on column core.stamp_quality.reasons is 'Names of the broken rules, and low_score for a score below good_threshold; empty for a good image.';
comment on column core.stamp_quality.n_invalid is 'Pixels that hold no usable value.';
comment on column core.stamp_quality.p_good is 'Probability that the image is good, by the learned checker; null without a model or for an absent image.';
comment on column core.stamp_quality.model_id is 'The model that gave p_good (results.quality_models); null without one.';
