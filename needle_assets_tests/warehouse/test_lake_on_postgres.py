"""A lake whose catalogue a real Postgres keeps: killed, read by many, written by one."""

import pytest

from needle_assets.errors import WarehouseError
from needle_assets.home import HomeBusyError
from needle_assets.warehouse.connection import kept_open, writing
from needle_assets.warehouse.lake import alone
from needle_assets.warehouse.lake.place import lake_of
from needle_assets_tests import lake_faults
from needle_assets_tests.homes import needle
from needle_assets_tests.servers import postgres

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server():
    with postgres() as started:
        yield started


@pytest.fixture
def home(server, tmp_path):
    return lake_faults.lake_home(tmp_path / "lake", server, f"db{abs(hash(str(tmp_path)))}")


def test_nothing_is_lost_doubled_torn_or_left_over_whatever_is_killed(tmp_path):
    assert lake_faults.run(tmp_path, n_points=1, n_readers=2, seconds=5.0, seed=3, say=print) == []


def test_of_two_drivers_one_works_and_the_other_leaves_with_a_sentence(home):
    lake = lake_of(home.working)
    with kept_open(home.working, what="refresh"):
        session = alone._session(lake, "elsewhere")
        assert alone._asked(session, "select pg_try_advisory_lock(%s)", alone.KEY) == (False,)
        with pytest.raises(HomeBusyError, match=r"is written by needle refresh \(process \d+ on .*wait for it to end"):
            alone._wait(lake, session, 0.3)
    alone._wait(lake, session, 0.3)
    other = needle(home.path, "maintain")
    assert (other.returncode, "is written by needle elsewhere" in other.stderr) == (1, True)
    session.close()


def test_who_lost_the_right_to_write_writes_no_more(home, server):
    with kept_open(home.working):
        with writing(home.working) as connection:
            connection.execute("create table needle.main.numbers as select 1 as n")
        server.kill()
        server.start()
        with pytest.raises(WarehouseError, match="the right to be the only one that writes"), writing(home.working):
            pass
    with writing(home.working) as connection:
        assert connection.execute("from needle.main.numbers").fetchall() == [(1,)]
