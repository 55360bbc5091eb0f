create or replace view lineage.packets_of as
select l.asset, l.object_id, p.candid, p.path, nullif(p.member, '') as member, p.sha256, l.run_id, l.written_at
from lineage.ledger l
join lineage.landing_packets p using (object_id);
comment on view lineage.packets_of is 'From any computed product of an object back to the alert packets, with path and SHA-256, that it may rest on. One row per product, object and packet.';
