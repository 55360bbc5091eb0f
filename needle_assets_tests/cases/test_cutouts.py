"""Stamps saved anew by brokers and people: an image that is valid is a stamp, and what is not names its true cause."""

import shutil

from needle_assets_tests.homes import ask, fill

READ = ("a", "b", "c", "d", "e", "h", "j")  # plain, float64, extension, fpack, uint16, without any value, two members
REFUSED = {"f": "64 x 64 pixels", "g": "61 pixels", "i": "neither a science", "k": "NumPy"}


def test_every_kind_of_cutout_is_a_stamp_or_names_the_cause(cases, tmp_path):
    landing = shutil.copytree(cases / "cutout-kinds" / "landing", tmp_path / "landing")
    fill(tmp_path / "home", landing, select=("core/stamps",))
    published = tmp_path / "home" / "needle.duckdb"
    stamped = ask(published, "select distinct right(object_id, 1) from core.stamps where science is not null order by 1")
    assert [letter for (letter,) in stamped] == list(READ)
    reasons = ask(published, "select right(object_id, 1), reason from core.rejections where stage = 'core.stamps'")
    assert {letter for letter, _ in reasons} >= REFUSED.keys()
    for letter, cause in REFUSED.items():
        assert any(cause in reason for its, reason in reasons if its == letter), letter
