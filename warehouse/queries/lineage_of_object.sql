-- Everything that was computed for one object and from what; put the object's id in place of the first one found.
select l.asset, l.n_rows, l.n_rejected, l.code_version, l.parents, l.run_id, l.git_sha, l.written_at
from lineage.ledger l
where l.object_id = (select min(object_id) from lineage.objects)
order by l.written_at;
