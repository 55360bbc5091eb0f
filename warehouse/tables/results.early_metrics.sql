create table results.early_metrics (
    ablation varchar not null,
    class varchar not null check (class in ('SLSN-I', 'TDE')),
    grouped_by varchar not null check (grouped_by in ('age', 'detections', 'all')),
    part varchar not null,
    position integer not null,
    metric varchar not null,
    threshold double,
    value double,
    ci_low double,
    ci_high double,
    n integer not null,
    reason varchar
);
comment on table results.early_metrics is 'How early models without stamps find rare classes: validated objects as of several moments (core.early_features), by models that were not trained on them. One row per ablation, class, part and metric.';
comment on column results.early_metrics.ablation is 'As in results.fold_models.';
comment on column results.early_metrics.class is 'Class the metric is about.';
comment on column results.early_metrics.grouped_by is 'age: days after discovery; detections: clean g and r epochs; all: every moment together.';
comment on column results.early_metrics.part is 'Which ages or numbers of detections.';
comment on column results.early_metrics.position is 'Order of the parts.';
comment on column results.early_metrics.metric is 'pr_area; purity and completeness_all of the class where it is preferred with at least the threshold; days_before_peak: median over the objects that are ever called so, of the time from the first call to the peak; found_before_peak: share of all objects of the class that are called so before their peak.';
comment on column results.early_metrics.threshold is 'On the probability: 0.8, or for days_before_peak and found_before_peak the lowest from which on half of all calls are right.';
comment on column results.early_metrics.value is 'The value; null where reason says why.';
comment on column results.early_metrics.ci_low is 'Lower end of the 95 % interval, bootstrap over objects; exact for rates.';
comment on column results.early_metrics.ci_high is 'Upper end.';
comment on column results.early_metrics.n is 'Objects, or judgements of objects, that it rests on; of a rate the denominator.';
comment on column results.early_metrics.reason is 'Why there is no value.';
