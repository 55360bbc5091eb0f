create table lineage.objects (
    object_id varchar primary key, -- formerly ztf_id
    survey varchar not null, -- if absent: 'ztf'
    landed_at timestamp not null
);
comment on table lineage.objects is 'Objects that are partitions: a packet or photometry of them has landed. One row per object.';
comment on column lineage.objects.object_id is 'Object id, as its survey gave it.';
comment on column lineage.objects.survey is 'The survey that gave the id: ztf.';
comment on column lineage.objects.landed_at is 'When its first data were seen [UTC].';
