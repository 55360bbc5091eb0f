create table lineage.objects (
    object_id varchar primary key, -- formerly ztf_id
    landed_at timestamp not null
);
comment on table lineage.objects is 'Objects that are partitions: a packet or photometry of them has landed. One row per object.';
comment on column lineage.objects.object_id is 'ZTF object id.';
comment on column lineage.objects.landed_at is 'When its first data were seen [UTC].';
