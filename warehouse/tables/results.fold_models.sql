create table results.fold_models (
    model_id varchar primary key,
    ablation varchar not null,
    model_kind varchar not null check (model_kind in ('TH', 'T', 'metadata')),
    fold integer not null check (fold >= 0),
    n_folds integer not null check (n_folds >= 1),
    folds integer[] not null,
    classes varchar[] not null,
    training_set_id varchar not null,
    fingerprint varchar not null,
    n_training integer not null,
    n_synthetic integer not null,
    n_validation integer not null,
    trained_ids varchar[] not null,
    validated_ids varchar[] not null,
    parent_ids varchar[] not null,
    scaled_ids varchar[] not null,
    seed bigint not null,
    weights blob not null,
    scaler json not null,
    feature_weights double[] not null,
    history_training_loss double[] not null,
    history_validation_loss double[] not null,
    best_epoch integer not null,
    n_shown bigint not null,
    seconds double not null,
    device varchar not null,
    is_bit_exact boolean not null,
    settings json not null,
    git_sha varchar,
    trained_at timestamp not null,
    unique (ablation, model_kind, fold)
);
comment on table results.fold_models is 'Trained classifiers: NEEDLE-TH, NEEDLE-T and the metadata models of every fold (section 6). Written by `needle train`, never by a refresh. One row per model.';
comment on column results.fold_models.model_id is 'Hash of its name, weights and scaler: without synthetic samples two ablations have the same weights.';
comment on column results.fold_models.ablation is 'What is compared: unmasked, masked, masked_upsampled, masked_upsampled_ce, metadata, metadata_upsampled, metadata_early, trees, trees_upsampled, trees_early; a number at the end is another up-sampling number.';
comment on column results.fold_models.model_kind is 'TH (stamps and features of hosted objects), T (the same of hostless ones) or metadata (features alone).';
comment on column results.fold_models.fold is 'Number of the model; it was not trained on what it validates on.';
comment on column results.fold_models.n_folds is 'How many models share the work: fewer than asked where a class is too small.';
comment on column results.fold_models.folds is 'Folds of core.splits that it validates on: itself, or several where folds were joined.';
comment on column results.fold_models.classes is 'Classes it tells apart, in the order of its outputs.';
comment on column results.fold_models.training_set_id is 'Snapshot it was trained from (results.training_sets).';
comment on column results.fold_models.fingerprint is 'Hash of its training rows, synthetic samples, settings and code; it is trained again only when this changes.';
comment on column results.fold_models.n_training is 'Real objects trained on.';
comment on column results.fold_models.n_synthetic is 'Synthetic samples trained on.';
comment on column results.fold_models.n_validation is 'Objects it was judged by while it trained; they decided when to stop where the settings let them.';
comment on column results.fold_models.trained_ids is 'Objects it was trained on.';
comment on column results.fold_models.validated_ids is 'Objects it was judged by while it trained; they decided when to stop where the settings let them.';
comment on column results.fold_models.parent_ids is 'Objects that its synthetic samples come from.';
comment on column results.fold_models.scaled_ids is 'Objects that scaler, imputer and feature weights were fitted to.';
comment on column results.fold_models.seed is 'Seed of first weights, order and orientation; the same for every ablation of a fold.';
comment on column results.fold_models.weights is 'Weights as safetensors, with an axis of members where several networks are averaged; of trees an npz of their nodes.';
comment on column results.fold_models.scaler is 'Names, medians, means, standard deviations and quantiles of the features of its real training rows; trees use the names alone.';
comment on column results.fold_models.feature_weights is 'Fixed weight of each column its network reads, from trees fitted to its real training rows (Figure 2); 1 for the ablation trees.';
comment on column results.fold_models.history_training_loss is 'Mean training loss by epoch; none of trees.';
comment on column results.fold_models.history_validation_loss is 'Validation loss by epoch; none of trees.';
comment on column results.fold_models.best_epoch is 'Epoch whose weights were kept, from 0; of trees the last iteration.';
comment on column results.fold_models.n_shown is 'Samples shown in training, repeated ones and members counted again.';
comment on column results.fold_models.seconds is 'Time it took to train [s]; the same share for all that were trained together.';
comment on column results.fold_models.device is 'cpu or cuda.';
comment on column results.fold_models.is_bit_exact is 'Whether the same machine gives the same weights again; not on a GPU.';
comment on column results.fold_models.settings is 'Settings of the training.';
comment on column results.fold_models.git_sha is 'Commit of the code.';
comment on column results.fold_models.trained_at is 'When [UTC].';
