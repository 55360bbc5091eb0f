create table core.rejections (
    stage varchar not null,
    object_id varchar, -- formerly ztf_id
    candid bigint,
    reason varchar not null,
    measured json not null,
    written_at timestamp not null
);
comment on table core.rejections is 'Everything that was refused, with the reason and what was measured; nothing is dropped in silence. One row per refusal.';
comment on column core.rejections.stage is 'Product that refused it, schema.name; landing for files and rows that could not be read.';
comment on column core.rejections.object_id is 'Object id; null where it could not be read.';
comment on column core.rejections.candid is 'Packet id; null if the refusal is not about one packet.';
comment on column core.rejections.reason is 'One sentence: what came, what was needed, what to do.';
comment on column core.rejections.measured is 'The numbers behind the decision, as JSON.';
comment on column core.rejections.written_at is 'When it was refused [UTC].';
