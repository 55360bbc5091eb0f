create table lineage.ledger (
    asset varchar not null,
    object_id varchar, -- formerly ztf_id
    fingerprint varchar not null,
    code_version varchar not null,
    parameters varchar not null,
    parents varchar not null,
    data_version varchar not null,
    n_rows integer not null check (n_rows >= 0),
    n_rejected integer not null check (n_rejected >= 0),
    run_id varchar not null,
    request_id varchar not null,
    write_id varchar not null,
    git_sha varchar,
    written_at timestamp not null,
    is_told boolean not null -- formerly is_published
);
comment on table lineage.ledger is 'What was computed, from what, by which run; it decides what is stale. One row per product of an object, or per product that has no objects.';
comment on column lineage.ledger.asset is 'Table that was computed, schema.name.';
comment on column lineage.ledger.object_id is 'Object id; null for a product that is not partitioned by object.';
comment on column lineage.ledger.fingerprint is 'Hash of code version, parameters and the content of exactly the columns read.';
comment on column lineage.ledger.code_version is 'Code version of the stage at that time.';
comment on column lineage.ledger.parameters is 'Settings the stage reads, as JSON.';
comment on column lineage.ledger.parents is 'Content hash of what was read from each parent, as text parent=hash|parent=hash.';
comment on column lineage.ledger.data_version is 'Content hash of the rows written; an equal result keeps it.';
comment on column lineage.ledger.n_rows is 'Rows written [count]; 0 is a valid result.';
comment on column lineage.ledger.n_rejected is 'Rows refused [count], see core.rejections.';
comment on column lineage.ledger.run_id is 'Dagster run that wrote it.';
comment on column lineage.ledger.request_id is 'What asked for it: a backfill, or the run itself.';
comment on column lineage.ledger.write_id is 'The transaction that wrote it; the materialisation event carries the same.';
comment on column lineage.ledger.git_sha is 'Commit of the code, null outside a checkout.';
comment on column lineage.ledger.written_at is 'When it was committed [UTC].';
comment on column lineage.ledger.is_told is 'Whether its materialisation event is known to be recorded.';
