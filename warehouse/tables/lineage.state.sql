create table lineage.state (
    name varchar primary key,
    value varchar not null
);
comment on table lineage.state is 'Facts about this home: landing folder, number of the last change, versions. One row per fact.';
comment on column lineage.state.name is 'landing, change or schema.';
comment on column lineage.state.value is 'The value as text.';
