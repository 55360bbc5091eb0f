create table core.splits (
    object_id varchar primary key, -- formerly ztf_id
    label varchar not null check (label in ('SN', 'SLSN-I', 'TDE')),
    is_hosted boolean not null,
    has_good_pair boolean not null,
    has_redshift boolean not null,
    main_source varchar,
    identity varchar,
    other_ids varchar[],
    is_untouched boolean not null,
    fold integer check (fold >= 0),
    validation_of integer[] not null,
    n_folds integer not null check (n_folds >= 1),
    rule varchar not null,
    check (not is_untouched or len(validation_of) = 0)
);
comment on table core.splits is 'Which labelled objects are kept untouched, and which model validates on which of the others (sections 6.2 and 6.3). Places are given once and kept. One row per labelled object with detections up to a few days after its peak.';
comment on column core.splits.object_id is 'Object id.';
comment on column core.splits.label is 'SN, SLSN-I or TDE.';
comment on column core.splits.is_hosted is 'Whether a host is known: NEEDLE-TH uses these, NEEDLE-T the others.';
comment on column core.splits.has_good_pair is 'Whether it has a masked pair of stamps: needed by every model that looks at images.';
comment on column core.splits.has_redshift is 'Whether its redshift is known: needed of the parents of synthetic samples. Never a feature.';
comment on column core.splits.main_source is 'Where most of its detections come from. Never a feature: where it goes with the class, scores say so.';
comment on column core.splits.identity is 'The object it is: the smallest of all ids with the same IAU name or within 1.5 arcsec, or that another survey gave it (core.identities), and its own id where there is no other. Ids of one object have one place.';
comment on column core.splits.other_ids is 'Other ids of the same object in the catalogue, labelled or not; empty for most.';
comment on column core.splits.is_untouched is 'Kept out of everything that fits, chooses or stops a model.';
comment on column core.splits.fold is 'Fold whose model validates on it, from 0; null if untouched, or if repeated hold-outs are used.';
comment on column core.splits.validation_of is 'Numbers of the models that validate on it; every other model trains on it, unless it is untouched.';
comment on column core.splits.n_folds is 'How many folds or hold-outs there are.';
comment on column core.splits.rule is 'What places were given by; when the settings ask for another rule, all places are given anew.';
