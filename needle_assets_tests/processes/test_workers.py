"""A worker that dies takes nobody's result with it, and what kills it is found, given up, and remembered."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from needle_assets.landing.folder import LandingFile
from needle_assets.landing.found import FileReport
from needle_assets.landing.scanning import RESCUE_FILES, RESCUE_SNAPSHOT
from needle_assets.processes.workers import DIED, Rescue, WorkerDiedError, Workers

Numbers = tuple[int, ...]


def squares(numbers: Numbers) -> list[int | str]:
    """What a stage is to objects: one task, several parts; negative ones kill their process, each in a way of its own."""
    for number in numbers:
        if number == -1:
            os._exit(1)
        if number < -1:
            os.kill(os.getpid(), -number)
    return [number**2 for number in numbers]


def once(path: Path) -> str:
    """Kills its process the first time."""
    if not path.exists():
        path.touch()
        os._exit(1)
    return "done"


RESCUE: Rescue[Numbers, list[int | str]] = Rescue(
    lambda task: [(number,) for number in task], lambda parts: [value for part in parts for value in part], lambda _: [DIED]
)


def reader(task: tuple[Path, tuple[LandingFile, ...]]) -> list[FileReport]:
    """What reads packet files, and dies of one of them."""
    if any(file.path == "alerts/deadly.avro" for file in task[1]):
        os._exit(1)
    return [FileReport(file) for file in task[1]]


@pytest.fixture
def workers(tmp_path: Path) -> Iterator[Workers]:
    started = Workers(2, tmp_path / "computing")
    yield started
    started.close()


@pytest.mark.parametrize("deadly", [-1, -signal.SIGKILL, -signal.SIGSEGV])
def test_only_what_kills_its_worker_is_lost_and_results_stay_in_order(workers, deadly) -> None:
    tasks = [(1, 2), (3, 4), (5, deadly, 6), (7,), (8, 9), (10,), (11,), (12,)]
    results = dict(workers.map(squares, tasks, rescue=RESCUE))
    assert results.pop((5, deadly, 6)) == [25, DIED, 36]
    assert results == {task: squares(task) for task in tasks if deadly not in task}
    assert list(results) == [task for task in tasks if deadly not in task]


def test_a_task_whose_worker_died_for_another_reason_is_simply_done_again(workers, tmp_path) -> None:
    assert list(workers.map(once, [tmp_path / "first"])) == [(tmp_path / "first", "done")]


def test_a_task_that_nobody_can_give_up_is_told(workers) -> None:
    with pytest.raises(WorkerDiedError, match=r"squares could not be done, as its process died each time"):
        list(workers.map(squares, [(-1,)]))


def test_several_deadly_parts_of_several_tasks_are_all_found(workers) -> None:
    results = [result for _, result in workers.map(squares, [(-1, 2), (-9, -1), (3,)], rescue=RESCUE)]
    assert results == [[DIED, 4], [DIED, DIED], [9]]


def test_what_killed_a_worker_is_never_again_computed_in_this_process(workers, tmp_path) -> None:
    list(workers.map(squares, [(-1, 2)], rescue=RESCUE, name="core.masks"))
    small = Workers(1, tmp_path / "computing")
    assert list(small.map(squares, [(-1,)], in_pool=False, rescue=RESCUE, name="core.masks")) == [((-1,), [DIED])]
    assert list(small.map(squares, [(2,)], in_pool=False, rescue=RESCUE, name="core.masks")) == [((2,), [4])]
    small.close()
    assert not (tmp_path / "computing").exists()


def test_a_process_that_died_while_computing_leaves_word_for_the_next(tmp_path) -> None:
    results = Workers(1, tmp_path / "computing").map(squares, [(2,), (3,)], name="core.masks")
    next(results)
    assert (tmp_path / "computing").read_text() == "core.masks\n"
    assert [result for _, result in results] == [[9]]
    assert not (tmp_path / "computing").exists()


def test_a_file_that_kills_its_reader_is_refused_and_the_others_of_its_task_are_read(workers, tmp_path) -> None:
    files = tuple(LandingFile(f"alerts/{name}.avro", 1, 1, "packet") for name in ("one", "deadly", "two"))
    [(_, reports)] = workers.map(reader, [(tmp_path, files)], rescue=RESCUE_FILES)
    assert [report.file for report in reports] == list(files)
    assert [[why.reason for why in report.rejections] != [] for report in reports] == [False, True, False]
    assert DIED in reports[1].rejections[0].reason


def test_a_snapshot_that_kills_its_reader_counts_as_unreadable_so_that_its_rows_of_before_stay(tmp_path) -> None:
    report, hashes = RESCUE_SNAPSHOT.lost((tmp_path, LandingFile("photometry.parquet", 1, 1, "photometry")))
    assert (report.is_readable, hashes) == (False, {})
    assert DIED in report.rejections[0].reason
