"""One supernova under two ids is one object."""

import shutil
from collections import Counter

import numpy as np

from needle_assets.landing.catalogues import read_catalogue
from needle_assets.samples.identity import conflicts, groups, iau_designation
from needle_assets_tests.homes import ask, fill


def test_two_ids_of_one_name_come_into_one_fold(cases, tmp_path):
    landing = shutil.copytree(cases / "one-sn-two-ids" / "landing", tmp_path / "landing")
    fill(tmp_path / "home", landing, select=("core/splits",))
    query = "select identity, count(*), count(distinct fold) from core.splits group by 1"
    assert {row[1:] for row in ask(tmp_path / "home" / "needle.duckdb", query)} == {(2, 1)}


def test_every_name_that_the_real_catalogue_has_twice_is_one_object(survey):
    rows = read_catalogue(survey / "bts.csv")[0]
    ids, names = [row["object_id"] for row in rows], [row["iau_name"] for row in rows]
    ra, dec = (np.array([row[name] for row in rows], dtype=float) for name in ("ra_deg", "dec_deg"))
    found = groups(ids, names, ra, dec)
    known = [
        (designation, object_id) for object_id, name in zip(ids, names, strict=True) if (designation := iau_designation(name))
    ]
    twice = [name for name, count in Counter(designation for designation, _ in known).items() if count > 1]
    assert len(twice) == 9
    assert all(len({found[object_id] for name, object_id in known if name == wanted}) == 1 for wanted in twice)
    assert conflicts({row["object_id"]: row["label"] for row in rows if row["label"]}, found).keys() <= set(ids)
