"""Numbers beside an object in the UI: how many of its images, and of all, are good, bad, recycled or refused."""

from needle_assets.orchestration.keys import asset_key
from needle_assets_tests.folders import rows
from needle_assets_tests.homes import instance_of


def test_how_many_images_were_recycled_is_told(filled) -> None:
    home = filled[1]
    with instance_of(home.path) as instance:
        records = instance.fetch_materializations(asset_key("core.restored_stamps"), limit=100).records
    told = {record.partition_key: record.asset_materialization.metadata for record in records}
    stored = {
        key: dict(rows(home, f"select object_id, count(*) from core.restored_stamps where {which} group by 1"))
        for key, which in (("recycled", "is_accepted"), ("refused_after_repair", "not is_accepted"))
    }  # fmt: skip - a pair
    for name, by_object in stored.items():
        assert {key: found[name].value for key, found in told.items()} == {key: by_object.get(key, 0) for key in told}
        assert {found[f"{name}_of_all_objects"].value for found in told.values()} >= {sum(by_object.values())}
    assert told.keys() >= stored["recycled"].keys() | stored["refused_after_repair"].keys() != set()


def test_good_and_bad_images_add_up(filled) -> None:
    home = filled[1]
    with instance_of(home.path) as instance:
        records = instance.fetch_materializations(asset_key("core.stamp_quality"), limit=100).records
    told = [record.asset_materialization.metadata for record in records]
    assert (
        sum(found["good"].value + found["bad"].value for found in told)
        == rows(home, "select count(*) from core.stamp_quality")[0][0]
    )
