"""A lake whose rows lie on S3: the same, with credentials from the environment alone."""

import urllib.request

import pytest

from needle_assets.cli.storing import run_compare, run_copy, run_maintain
from needle_assets.warehouse import exploring
from needle_assets_tests.folders import refreshed
from needle_assets_tests.warehouse.test_moving import still

pytestmark = pytest.mark.slow
LAKE = '[warehouse]\ncatalogue = "sqlite:catalogue.sqlite"\ndata = "s3://survey/needle"\n'


@pytest.fixture
def bucket(monkeypatch):
    """A server of this machine that speaks S3, with a bucket named survey and a file that is none of ours."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    address = "http://{}:{}".format(*server.get_host_and_port())
    for path, content in (("survey", None), ("survey/other.csv", b"a,b")):
        urllib.request.urlopen(urllib.request.Request(f"{address}/{path}", data=content, method="PUT")).close()
    for name, value in {"KEY_ID": "testing", "SECRET_ACCESS_KEY": "hidden-key"}.items():
        monkeypatch.setenv(f"AWS_{'ACCESS_' if name == 'KEY_ID' else ''}{name}", value)
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", address)
    yield address
    server.stop()


def test_rows_on_s3_are_those_of_the_file_and_readers_reach_nothing_else(bucket, own, filled):
    _, home = own
    home.settings_file.write_text(LAKE)
    assert run_copy(home, still)["now_in"].endswith("s3://survey/needle/")
    refreshed(home, recompute=("core/stamps",))
    assert run_maintain(home, days=0.0)["files_after"] > 0
    assert run_compare(home, filled[1].path)["differences"] == []
    for query in ("select * from read_text('s3://survey/other.csv')", f"select * from read_text('{bucket}/survey/other.csv')"):
        with pytest.raises(exploring.QueryError):
            exploring.ask(home.published, query)
    told = exploring.ask(home.published, "select secret_string from duckdb_secrets()")[1]
    assert "hidden-key" not in str(told)
