create table core.restored_stamps (
    object_id varchar not null, -- formerly ztf_id
    candid bigint not null,
    image varchar not null check (image in ('science', 'reference')),
    donor_candid bigint not null,
    donor_image varchar not null check (donor_image in ('science', 'reference')),
    pixels float[3600] not null,
    repaired boolean[3600] not null,
    n_repaired integer not null check (n_repaired between 0 and 3600),
    n_from_noise integer not null check (n_from_noise between 0 and n_repaired),
    gain double,
    is_transient_lost boolean not null,
    reasons_after varchar[] not null,
    p_good_after double check (p_good_after between 0 and 1),
    is_accepted boolean not null,
    primary key (object_id, candid, image)
);
comment on table core.restored_stamps is 'Bad images repaired from a good one of the same field (paper, 3.2), accepted or not. One row per repaired image.';
comment on column core.restored_stamps.object_id is 'Object id.';
comment on column core.restored_stamps.candid is 'Packet id of the bad image.';
comment on column core.restored_stamps.image is 'science or reference.';
comment on column core.restored_stamps.donor_candid is 'Packet id of the image the pixels come from; another packet = an earlier detection; the image itself = its own noise alone.';
comment on column core.restored_stamps.donor_image is 'science or reference.';
comment on column core.restored_stamps.pixels is 'The repaired image [DN], row by row as in core.stamps.';
comment on column core.restored_stamps.repaired is 'Which pixels were written.';
comment on column core.restored_stamps.n_repaired is 'Pixels that were written.';
comment on column core.restored_stamps.n_from_noise is 'Of these, pixels drawn from the own noise of the image: the donor shows nothing there.';
comment on column core.restored_stamps.gain is 'Flux of the image per flux of the donor; null where the method has none.';
comment on column core.restored_stamps.is_transient_lost is 'A written pixel lies so close to the target that the light of the transient is no longer its own.';
comment on column core.restored_stamps.reasons_after is 'Why the repaired image is refused: rules it breaks, transient_lost, low_score; empty if accepted.';
comment on column core.restored_stamps.p_good_after is 'Probability that the repaired image is good, by the learned checker; null without a model.';
comment on column core.restored_stamps.is_accepted is 'No rule is broken, the transient is intact and p_good_after, if any, reaches the setting restored_threshold.';
