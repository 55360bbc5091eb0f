create table lineage.landing_rows (
    source varchar not null,
    object_id varchar not null, -- formerly ztf_id
    path varchar not null,
    content_hash varchar not null,
    n_rows integer,
    forced_hash varchar, -- if absent: null
    primary key (source, object_id)
);
comment on table lineage.landing_rows is 'What the whole-file sources say of each object, so that a replaced file recomputes only what it changed. One row per source and object.';
comment on column lineage.landing_rows.source is 'catalogue, photometry, hosts, verdicts, stamp_verdicts or tns.';
comment on column lineage.landing_rows.object_id is 'Object id; TNS for the whole of the Transient Name Server''s list.';
comment on column lineage.landing_rows.path is 'File below the landing folder.';
comment on column lineage.landing_rows.content_hash is 'Hash of the rows of this object in the file, without its forced photometry.';
comment on column lineage.landing_rows.n_rows is 'The most rows of this object in the file since a loss was last accepted [count]; null if it was read before they were counted.';
comment on column lineage.landing_rows.forced_hash is 'Hash of its forced photometry in the file; null if there is none.';
