create table results.feature_importance (
    feature varchar primary key,
    rank integer not null check (rank >= 1),
    importance double not null,
    importance_err double not null check (importance_err >= 0),
    n_objects integer not null check (n_objects >= 0)
);
comment on table results.feature_importance is 'How much each feature of Table 1 matters to boosted trees on training objects (figure 2): the ranking beside the networks, not what weights their inputs. One row per feature.';
comment on column results.feature_importance.feature is 'Column of core.features.';
comment on column results.feature_importance.rank is 'Place by falling importance, from 1.';
comment on column results.feature_importance.importance is 'Mean loss of balanced accuracy when the feature is shuffled among held-out training objects.';
comment on column results.feature_importance.importance_err is 'Standard deviation of the loss over the shuffles.';
comment on column results.feature_importance.n_objects is 'Training objects, held-out ones included.';
