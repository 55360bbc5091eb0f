create table lineage.contents (
    asset varchar not null,
    columns varchar not null,
    object_id varchar not null, -- formerly ztf_id
    content_hash varchar not null
);
comment on table lineage.contents is 'Hash of some columns of a product, kept so that planning never reads the data again. One row per product, set of columns that some stage reads, and object.';
comment on column lineage.contents.asset is 'Table hashed, schema.name; landing.* are files of the landing folder.';
comment on column lineage.contents.columns is 'Columns hashed, joined by commas; * means all.';
comment on column lineage.contents.object_id is 'Object id; empty for rows that belong to no object.';
comment on column lineage.contents.content_hash is 'md5 over the hashes of the rows, independent of their order.';
