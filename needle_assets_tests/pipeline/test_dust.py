"""Extinction from maps of dust through a whole refresh: objects without A_V are computed again, and no others."""

import re
import shutil

from needle_assets.home import Home
from needle_assets_tests.folders import refreshed, rows
from needle_assets_tests.homes import ask, fill
from needle_assets_tests.landing.test_dust import landed

WRITTEN = (
    "select asset, object_id from lineage.ledger where object_id is not null and run_id = "
    "(select run_id from lineage.ledger where asset = 'core.extinction')"
)


def test_maps_give_a_v_to_objects_that_have_none_and_touch_no_others(filled, tmp_path):
    landing, home = tmp_path / "landing", Home(tmp_path / "home")
    shutil.copytree(filled[0], landing)
    shutil.copytree(filled[1].path, home.path)
    ((lost, a_v_mag),) = rows(home, "select object_id, a_v_mag from raw.objects where a_v_mag is not null order by 1 limit 1")
    catalogue = (landing / "bts.csv").read_text()
    (landing / "bts.csv").write_text(re.sub(rf"({lost},.*),{a_v_mag:.3f}\n", r"\1,-\n", catalogue))
    landed(landing)
    fill(home.path, landing)
    told = dict(rows(home, "select object_id, a_v_source from core.objects"))
    assert told.pop(lost) == "SFD"
    assert set(told.values()) == {"catalogue", None}, "without a place there is no A_V"
    assert {name for _, name in ask(home.working, WRITTEN)} == {lost}
    assert rows(home, f"select has_mw_correction from core.features where object_id = '{lost}'") == [(True,)]
    assert rows(home, f"select is_dereddened from core.hosts where object_id = '{lost}' and is_hosted") in ([(True,)], [])
    assert refreshed(home) == {}
