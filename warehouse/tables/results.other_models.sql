create table results.other_models (
    model_id varchar primary key,
    model_kind varchar not null check (model_kind = 'trees'),
    fingerprint varchar not null,
    n_folds integer not null check (n_folds >= 2),
    prior double not null check (prior between 0 and 1),
    n_classified integer not null,
    n_other integer not null,
    roc_area double not null,
    roc_area_low double not null,
    roc_area_high double not null,
    pr_area double not null,
    pr_area_low double not null,
    pr_area_high double not null,
    features varchar[] not null,
    trained_ids varchar[] not null,
    fold_of integer[] not null,
    is_other boolean[] not null,
    p_other double[] not null,
    weights blob[] not null,
    slope double not null,
    intercept double not null,
    seed bigint not null,
    seconds double not null,
    git_sha varchar,
    trained_at timestamp not null
);
comment on table results.other_models is 'The trained model of what is none of the three classes: boosted trees for each fold, on features as of the classification epoch. Written by `needle train`, never by a refresh. One row per kind of model, and none with too few examples.';
comment on column results.other_models.model_id is 'Hash of the trees and their calibration.';
comment on column results.other_models.model_kind is 'trees.';
comment on column results.other_models.fingerprint is 'Hash of its objects, features, settings and code; it is trained again only when this changes.';
comment on column results.other_models.n_folds is 'Folds, as many as it has trees of.';
comment on column results.other_models.prior is 'Share of objects of no class that its probabilities are for.';
comment on column results.other_models.n_classified is 'Objects of the three classes that it was trained on.';
comment on column results.other_models.n_other is 'Objects known to be something else that it was trained on.';
comment on column results.other_models.roc_area is 'Chance that something else scores above an object of the classes, each by the trees that did not see it.';
comment on column results.other_models.roc_area_low is 'Lower end of its 95 % interval over objects.';
comment on column results.other_models.roc_area_high is 'Upper end of it.';
comment on column results.other_models.pr_area is 'Average precision of the same scores, among the objects that there are.';
comment on column results.other_models.pr_area_low is 'Lower end of its 95 % interval over objects.';
comment on column results.other_models.pr_area_high is 'Upper end of it.';
comment on column results.other_models.features is 'Features it reads.';
comment on column results.other_models.trained_ids is 'Every object that has a part in it.';
comment on column results.other_models.fold_of is 'Fold of each: its trees did not see the object.';
comment on column results.other_models.is_other is 'Whether each is none of the classes.';
comment on column results.other_models.p_other is 'What the trees that did not see it say of each.';
comment on column results.other_models.weights is 'Trees of each fold as plain arrays (npz).';
comment on column results.other_models.slope is 'Of the line from the logarithm of the trees'' odds to that of the probability''s.';
comment on column results.other_models.intercept is 'Of the same line.';
comment on column results.other_models.seed is 'Seed of the trees.';
comment on column results.other_models.seconds is 'Time it took to train and judge [s].';
comment on column results.other_models.git_sha is 'Commit of the code.';
comment on column results.other_models.trained_at is 'When [UTC].';
