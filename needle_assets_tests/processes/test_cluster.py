"""Workers on other machines: what is sent to them, and what is told of those that cannot be used. Without a scheduler; see test_dask."""

import pickle
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from needle_assets.processes import cluster
from needle_assets.processes.cluster import Cluster, ClusterError, _Expected, computed
from needle_assets.processes.code import code_id
from needle_assets.processes.workers import Workers


def doubled(number: int) -> int:
    return 2 * number


def unreadable(_task: object) -> None:
    raise FileNotFoundError(2, "No such file or directory", "/survey/alerts/1.avro")


def packed(function: object, task: object) -> bytes:
    return pickle.dumps((function, task))


def vanishing(folder: Path) -> None:
    (folder / "bts.csv").unlink()


class Elsewhere(Cluster):
    """Any executor will do for the seam."""

    def executor(self):
        made = ThreadPoolExecutor(1)
        made.count = 1
        return made


def test_one_worker_elsewhere_computes_what_this_process_would_not_and_in_order() -> None:
    workers = Workers(1, cluster=Elsewhere("tcp://host:1"))
    assert list(workers.map(doubled, range(5))) == [(k, 2 * k) for k in range(5)]
    assert (workers.is_started, workers.count) == (True, 1)
    workers._pools._pool.count = 7  # others joined
    assert workers.count == 7
    workers.close()


def test_a_worker_with_other_code_is_refused_by_its_name_and_both_versions(monkeypatch) -> None:
    monkeypatch.setattr(cluster.socket, "gethostname", lambda: "node7")
    with pytest.raises(ClusterError, match=rf"node7 has other code of needle_assets \({code_id()}\) than this command \(older\)"):
        computed(_Expected("older", ()), b"not even looked at")


@pytest.mark.parametrize("has_folder", [False, True])
def test_a_worker_that_does_not_see_a_folder_or_sees_another_there_is_refused(tmp_path, monkeypatch, has_folder) -> None:
    monkeypatch.setattr(cluster.socket, "gethostname", lambda: "node7")
    if has_folder:
        (tmp_path / "landing").mkdir()  # as where nothing is mounted
    expected = _Expected(code_id(), ((str(tmp_path / "landing"), (("alerts", 0), ("bts.csv", 0))),))
    with pytest.raises(ClusterError, match=rf"node7 does not see {tmp_path}/landing as this command does: .* Nothing was stored"):
        computed(expected, packed(doubled, 1))


def test_a_worker_that_sees_the_folders_computes(tmp_path) -> None:
    (tmp_path / "bts.csv").touch()
    assert computed(_Expected(code_id(), ((str(tmp_path), (("bts.csv", 0),)),)), packed(doubled, 4)) == 8


def test_a_worker_whose_mount_shows_a_file_of_before_is_refused(tmp_path) -> None:
    (tmp_path / "verdicts.csv").write_text("one\n")
    computed(_Expected(code_id(), ((str(tmp_path), (("verdicts.csv", 3),)),)), packed(doubled, 4))  # it only grew meanwhile
    with pytest.raises(ClusterError, match=r"it has an older verdicts\.csv than here"):
        computed(_Expected(code_id(), ((str(tmp_path), (("verdicts.csv", 5),)),)), packed(doubled, 4))


def test_a_folder_that_goes_away_while_a_worker_computes_is_told_once_with_its_name(tmp_path) -> None:
    (tmp_path / "bts.csv").touch()
    with pytest.raises(ClusterError, match=f"does not see {tmp_path} as this command does: it lacks bts.csv"):
        computed(_Expected(code_id(), ((str(tmp_path), (("bts.csv", 0),)),)), packed(vanishing, tmp_path))


def test_what_a_worker_cannot_read_is_an_error_with_its_name_and_the_path() -> None:
    with pytest.raises(ClusterError, match=r"worker on .* failed .*/survey/alerts/1\.avro"):
        computed(_Expected(code_id(), ()), packed(unreadable, None))


@pytest.mark.parametrize("content", [None, "", "{}", "[]"])
def test_a_file_of_no_scheduler_is_told_at_once(tmp_path, content) -> None:
    file = tmp_path / "scheduler.json"
    if content is not None:
        file.write_text(content)
    with pytest.raises(ClusterError, match="cannot be read as the file of a scheduler"):
        Cluster(str(file)).executor()


def test_the_id_of_the_code_is_that_of_its_content_wherever_it_lies(tmp_path, monkeypatch) -> None:
    def of(folder: Path) -> str:
        code_id.cache_clear()
        monkeypatch.setattr("needle_assets.processes.code.PACKAGE", folder)
        return code_id()

    for name, text in (("one", "x = 1"), ("other", "x = 1"), ("changed", "x = 2")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "module.py").write_text(text)
    assert of(tmp_path / "one") == of(tmp_path / "other") != of(tmp_path / "changed")
    code_id.cache_clear()
