create table results.metrics (
    ablation varchar not null,
    model_kind varchar not null check (model_kind in ('TH', 'T', 'metadata')),
    "set" varchar not null check ("set" in ('validation', 'untouched')),
    aggregate varchar not null check (aggregate in ('ensemble', 'model', 'mean', 'std')),
    fold integer,
    class varchar check (class in ('SN', 'SLSN-I', 'TDE')),
    threshold double,
    metric varchar not null,
    value double,
    ci_low double,
    ci_high double,
    n integer not null,
    reason varchar,
    warning varchar,
    is_simulated boolean not null,
    check (value is not null or reason is not null),
    check ((aggregate = 'model') = (fold is not null))
);
comment on table results.metrics is 'How good the models are, by the metrics of Table 6 under exact names, every number with its interval (section 6.4). One row per metric of an ablation, model kind, set, class and threshold.';
comment on column results.metrics.ablation is 'As in results.fold_models.';
comment on column results.metrics.model_kind is 'TH, T or metadata.';
comment on column results.metrics."set" is 'validation (under early_stopping it stopped the training: optimistic) or untouched.';
comment on column results.metrics.aggregate is 'ensemble: mean probability of all models that may judge an object; model: one of them; mean, std: over models.';
comment on column results.metrics.fold is 'Number of the model, where aggregate is model.';
comment on column results.metrics.class is 'Class the metric is about; null for all classes together.';
comment on column results.metrics.threshold is 'Confidence threshold; 0 = every object counts. For reliability: lower edge of the bin; for curve_*: threshold on the probability of the class.';
comment on column results.metrics.metric is 'purity, completeness_all, completeness_of_covered, f1, coverage, pr_area, macro_confidence, b_confidence, b_entropy, ...: docs/classifiers.md defines each.';
comment on column results.metrics.value is 'The number; null where reason says why.';
comment on column results.metrics.ci_low is 'Lower end of the 95 % interval: exact for rates, bootstrap over objects otherwise; null where reason says why.';
comment on column results.metrics.ci_high is 'Upper end of the 95 % interval.';
comment on column results.metrics.n is 'Objects it rests on: the denominator of a rate.';
comment on column results.metrics.reason is 'Why there is no value, or no interval beside it.';
comment on column results.metrics.warning is 'What to know before believing it: for example that classes and sources of photometry go together.';
comment on column results.metrics.is_simulated is 'Whether simulated objects are among those it rests on.';
