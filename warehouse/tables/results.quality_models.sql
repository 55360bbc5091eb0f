create table results.quality_models (
    model_id varchar primary key,
    model_kind varchar not null check (model_kind in ('cnn', 'resnet18')),
    is_chosen boolean not null,
    training_set_id varchar not null,
    fingerprint varchar not null,
    seed bigint not null,
    n_objects_training integer not null,
    n_objects_held_out integer not null,
    n_images_training integer not null,
    n_good_g integer not null,
    n_bad_g integer not null,
    n_good_r integer not null,
    n_bad_r integer not null,
    threshold double not null check (threshold between 0 and 1),
    n_bad_found integer not null,
    n_bad_missed integer not null,
    n_good_lost integer not null,
    n_good_kept integer not null,
    kinds varchar[] not null,
    kind_n integer[] not null,
    kind_n_found integer[] not null,
    kind_n_found_with_rules integer[] not null,
    curve_threshold double[] not null,
    curve_completeness double[] not null,
    curve_purity double[] not null,
    curve_good_rejected double[] not null,
    history_loss double[] not null,
    history_accuracy double[] not null,
    weights blob not null,
    settings json not null,
    seconds double not null,
    git_sha varchar,
    trained_at timestamp not null
);
comment on table results.quality_models is 'Trained quality checkers, judged on held-out objects (paper, Table 3, Figures 5 and 6). Written by `needle train quality`, never by a refresh. One row per model.';
comment on column results.quality_models.model_id is 'Hash of the weights.';
comment on column results.quality_models.model_kind is 'cnn (convolutions of 128 and 256 channels) or resnet18.';
comment on column results.quality_models.is_chosen is 'The model that scores images: the better one on the held-out objects.';
comment on column results.quality_models.training_set_id is 'Hash of the images that training used.';
comment on column results.quality_models.fingerprint is 'Hash of its images, settings and code; it is trained again only when this changes.';
comment on column results.quality_models.seed is 'Seed of weights, order, damage and orientation.';
comment on column results.quality_models.n_objects_training is 'Objects whose images were trained on.';
comment on column results.quality_models.n_objects_held_out is 'Objects kept for judging; no object is in both.';
comment on column results.quality_models.n_images_training is 'Good images trained on, each also shown damaged.';
comment on column results.quality_models.n_good_g is 'Images in g that the rules call good (paper, Table 3).';
comment on column results.quality_models.n_bad_g is 'Images in g that a rule calls bad (paper, Table 3).';
comment on column results.quality_models.n_good_r is 'Images in r that the rules call good (paper, Table 3).';
comment on column results.quality_models.n_bad_r is 'Images in r that a rule calls bad (paper, Table 3).';
comment on column results.quality_models.threshold is 'Score below which an image is called bad, the setting good_threshold.';
comment on column results.quality_models.n_bad_found is 'Held-out images, damaged in ways not trained on, called bad by the model alone.';
comment on column results.quality_models.n_bad_missed is 'Held-out images, damaged in ways not trained on, called good by the model alone.';
comment on column results.quality_models.n_good_lost is 'Held-out good images called bad.';
comment on column results.quality_models.n_good_kept is 'Held-out good images called good.';
comment on column results.quality_models.kinds is 'Kinds of damage it was judged on and never trained on.';
comment on column results.quality_models.kind_n is 'Images damaged in each kind.';
comment on column results.quality_models.kind_n_found is 'Of these, called bad by the model alone.';
comment on column results.quality_models.kind_n_found_with_rules is 'Of these, called bad by the model or by a rule.';
comment on column results.quality_models.curve_threshold is 'Thresholds of the curves below.';
comment on column results.quality_models.curve_completeness is 'Fraction of bad images found at each threshold (Figure 6; true positive rate of Figure 5).';
comment on column results.quality_models.curve_purity is 'Fraction of images called bad that are bad, at each threshold (Figure 6); NaN where none is.';
comment on column results.quality_models.curve_good_rejected is 'Fraction of good images called bad at each threshold (false positive rate of Figure 5).';
comment on column results.quality_models.history_loss is 'Mean training loss per epoch.';
comment on column results.quality_models.history_accuracy is 'Fraction of training images called rightly, per epoch.';
comment on column results.quality_models.weights is 'Weights as safetensors, half precision.';
comment on column results.quality_models.settings is 'Settings of the training.';
comment on column results.quality_models.seconds is 'Time it took to train and judge [s].';
comment on column results.quality_models.git_sha is 'Commit of the code.';
comment on column results.quality_models.trained_at is 'When [UTC].';
