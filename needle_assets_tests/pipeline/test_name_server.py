"""Labels of the Transient Name Server through whole refreshes: only what they change is computed again, and a loss is not believed."""

import shutil

import pytest

from needle_assets.home import Home
from needle_assets.pipeline.session import Session
from needle_assets.warehouse import ledger
from needle_assets.warehouse.connection import writing
from needle_assets_tests.folders import refreshed, rows
from needle_assets_tests.homes import ask, fill, needle
from needle_assets_tests.landing.test_tns import line, written


@pytest.fixture
def of_its_own(filled, tmp_path):
    """A landing folder and its home, to be changed."""
    landing, home = filled
    shutil.copytree(landing, tmp_path / "landing")
    shutil.copytree(home.path, tmp_path / "home")
    return tmp_path / "landing", Home(tmp_path / "home")


def test_a_home_without_the_list_computes_it_once_and_new_packets_do_not_make_it_stale(filled):
    session = Session(filled[1], filled[1].settings(), workers=1)
    with writing(session.home.working) as connection:
        connection.execute("begin")
        connection.execute(
            "update lineage.contents set content_hash = 'another' where asset in ('raw.alerts', 'landing.catalogue')"
        )
        ledger.register_graph(connection, session.stages, session.tables, session.settings)
        stale = {stage for stage, _ in ledger.stale(connection)}
        counts = ledger.counts(connection)
        connection.execute("rollback")
    assert {"raw.objects", "core.identities"} <= stale
    assert not {"raw.tns", "core.extinction"} & stale
    assert counts["raw.tns"] == counts["core.extinction"] == (0, 0, 1)


def test_a_list_labels_what_the_catalogue_does_not_and_touches_nothing_else(of_its_own):
    landing, home = of_its_own
    ((candidate,),) = rows(home, "select object_id from core.objects where label is null order by 1 limit 1")
    ((other, label),) = rows(home, "select object_id, label from core.objects where label = 'SN' order by 1 limit 1")
    written(
        landing, line("2030a", kind="TDE", internal=candidate), line("2030b", kind="AGN", internal=other), line("2030c", ra="1")
    )
    done = fill(home.path, landing)
    assert dict(rows(home, "select object_id, label_source from raw.objects where label_source = 'TNS'")) == {candidate: "TNS"}
    assert rows(home, f"select label, label_source from core.objects where object_id = '{other}'") == [(label, "catalogue")]
    assert rows(home, "select object_id, measured->>'tns_type' from core.rejections where stage = 'raw.objects'") == [
        (other, "AGN")
    ]
    assert "catalogue_and_name_server_agree" in " ".join(done["warnings"])
    assert rows(home, f"select count(*) from core.splits where object_id = '{candidate}'") == [(1,)]
    touched = {stage: name for stage, name in computed_since(home, done) if name is not None}
    assert set(touched.values()) == {candidate}
    assert refreshed(home) == {}


def computed_since(home, done):
    """What the last refresh wrote, apart from whole products."""
    return ask(
        home.working,
        "select asset, object_id from lineage.ledger where run_id = (select run_id from lineage.ledger where asset = 'raw.tns')",
    )


@pytest.mark.slow
def test_a_list_that_is_gone_keeps_its_labels_until_that_is_accepted(of_its_own):
    landing, home = of_its_own
    ((candidate,),) = rows(home, "select object_id from core.objects where label is null order by 1 limit 1")
    path = written(landing, line("2030a", kind="TDE", internal=candidate))
    fill(home.path, landing)
    path.unlink()
    assert needle(home.path, "refresh").returncode == 1
    assert rows(home, "select count(*) from raw.tns") == [(1,)]
    fill(home.path, landing, accept_shrunken=True)
    assert rows(home, "select count(*) from raw.tns") == [(0,)]
    assert rows(home, f"select label from core.objects where object_id = '{candidate}'") == [(None,)]
    assert refreshed(home) == {}
