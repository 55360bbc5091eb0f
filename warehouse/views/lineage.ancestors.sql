create or replace view lineage.ancestors as
with recursive parent as (
    select distinct asset, split_part(unnest(string_split(parents, '|')), '=', 1) as ancestor from lineage.ledger where parents <> ''
), walk as (
    select asset, ancestor, 1 as steps from parent
    union
    select w.asset, p.ancestor, w.steps + 1 from walk w join parent p on p.asset = w.ancestor where w.steps < 20
)
select asset, ancestor, min(steps) as steps from walk group by asset, ancestor;
comment on view lineage.ancestors is 'Every product and file source that a product was made from, directly (steps = 1) or through others. One row per product and ancestor.';
