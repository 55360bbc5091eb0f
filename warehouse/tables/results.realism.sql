create table results.realism (
    model_kind varchar not null check (model_kind in ('TH', 'T', 'metadata')),
    label varchar not null check (label in ('SN', 'SLSN-I', 'TDE')),
    fold integer not null,
    compared varchar not null check (compared in ('features', 'pixels')), -- if absent: 'features'
    auc double not null check (auc between 0 and 1),
    ci_low double not null,
    ci_high double not null,
    n_real integer not null,
    n_synthetic integer not null,
    is_failed boolean not null,
    telling varchar[] not null,
    primary key (model_kind, label, compared)
);
comment on table results.realism is 'How well a classifier tells synthetic samples from real ones of their class by features or by pixels, hosts held out; 0.5 = not at all. From 0.65 on it has failed: "synthetic" would stand for "rare". One row per model kind, class and what was compared.';
comment on column results.realism.model_kind is 'TH (hosted, with stamps), T (hostless, with stamps) or metadata.';
comment on column results.realism.label is 'Class.';
comment on column results.realism.fold is 'Number of the model whose training part is compared.';
comment on column results.realism.compared is 'features: those of Table 1; pixels: twenty numbers of the masked pair that quarter turns leave alone (moments, percentiles, roughness).';
comment on column results.realism.auc is 'Area under the ROC curve of held-out scores.';
comment on column results.realism.ci_low is 'Lower end of the 95 % interval, bootstrap over hosts.';
comment on column results.realism.ci_high is 'Upper end of the 95 % interval.';
comment on column results.realism.n_real is 'Real objects compared.';
comment on column results.realism.n_synthetic is 'Synthetic samples compared.';
comment on column results.realism.is_failed is 'Whether they are told apart too well: an area of 0.65 or more.';
comment on column results.realism.telling is 'The three features, or numbers of the pixels, that alone tell most.';
