create table results.training_sets (
    training_set_id varchar not null,
    object_id varchar not null, -- formerly ztf_id
    label varchar not null,
    validation_of integer[] not null,
    rule varchar not null,
    row_hash varchar not null,
    other_ids varchar[],
    primary key (training_set_id, object_id)
);
comment on table results.training_sets is 'Snapshots that models were trained from: who was in them, where, and the content. Kept as long as a model refers to them. One row per object of a snapshot.';
comment on column results.training_sets.training_set_id is 'Hash of all rows of the snapshot.';
comment on column results.training_sets.object_id is 'Object id; never an untouched one.';
comment on column results.training_sets.label is 'Class at that time.';
comment on column results.training_sets.validation_of is 'Models that validated on it at that time; all others trained on it.';
comment on column results.training_sets.rule is 'What places were given by at that time, as in core.splits.';
comment on column results.training_sets.row_hash is 'Hash of its label, place, features and stamps at that time.';
comment on column results.training_sets.other_ids is 'Other ids known at that time for the same object, as in core.splits; null where a model is older than that knowledge.';
