create table lineage.nights (
    run_id varchar primary key,
    started_at timestamp not null,
    ended_at timestamp,
    seconds double,
    sources varchar[] not null,
    new_objects integer,
    new_detections bigint,
    new_high_scores varchar[],
    n_computed bigint,
    failures varchar[] not null,
    n_left integer not null,
    n_objects_before integer not null,
    n_detections_before bigint not null,
    high_scores_before varchar[] not null,
    against varchar[]
);
comment on table lineage.nights is 'What each night brought: services were asked, everything was refreshed, candidates were scored. A night that failed says why; the next one asks again and tells what the failed one did not. One row per night.';
comment on column lineage.nights.run_id is 'Dagster run of the night.';
comment on column lineage.nights.started_at is 'When it began to ask [UTC].';
comment on column lineage.nights.ended_at is 'When everything was stored [UTC]; null if the night was cut short.';
comment on column lineage.nights.seconds is 'How long it took [s]; null if it was cut short.';
comment on column lineage.nights.sources is 'Services that were asked, in this order.';
comment on column lineage.nights.new_objects is 'Objects of which the first packet or photometry came [count].';
comment on column lineage.nights.new_detections is 'Rows of core.detections more than before [count].';
comment on column lineage.nights.new_high_scores is 'Candidates whose p_slsn or p_tde was above 0.5 for the first time, the highest score first.';
comment on column lineage.nights.n_computed is 'Products of objects that were computed, over all stages [count]; everything else was up to date.';
comment on column lineage.nights.failures is 'What was not done, a sentence each: services first, then code; empty after a good night.';
comment on column lineage.nights.n_left is 'Objects and requests that wait for the next night [count].';
comment on column lineage.nights.n_objects_before is 'Objects with data at the beginning [count], or at that of the nights before it that were cut short.';
comment on column lineage.nights.n_detections_before is 'Rows of core.detections at that time [count].';
comment on column lineage.nights.high_scores_before is 'Candidates that had been above 0.5 by that time.';
comment on column lineage.nights.against is 'What spoke against each of new_high_scores that night (the reasons of core.vetting), in their order; an empty text where nothing did.';
