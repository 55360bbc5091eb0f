"""A command that is asked to stop says so in one sentence, at once, whatever it is doing; handlers of others wait for the database."""

import os
import signal
import subprocess
import sys
import threading
import time

import duckdb
import pytest

from needle_assets.processes import stopping

WORKING = """
import sys, time
from needle_assets.processes import stopping
{before}
def command():
    print("working", flush=True)
    {work}
stopping.run(command)
"""
QUERY = "duckdb.sql('select count(*) from range(1000000) a, range(1000000) b').fetchall()"


def stopped(number: int, work: str, before: str = "") -> tuple[int, str]:
    """Exit code of a command that is stopped in the middle of something that takes ten minutes, and what it said."""
    command = [sys.executable, "-c", WORKING.format(work=work, before=before)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "working\n"
        time.sleep(0.2)
        child.send_signal(number)
        _, said = child.communicate(timeout=60)
    return child.returncode, said


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize(("work", "before"), [("time.sleep(600)", ""), (QUERY, "import duckdb"), ("while True: pass", "")])
def test_a_stopped_command_ends_at_once_with_its_sentence(number, code, work, before) -> None:
    assert stopped(number, work, before) == (code, stopping.SENTENCE)


def test_a_command_whose_workers_are_at_work_says_nothing_else() -> None:
    before = "from needle_assets.processes.pools import process_pool; pool = process_pool(2); pool.submit(time.sleep, 0).result()"
    pooled = "pool.submit(time.sleep, 600).result()"
    assert stopped(signal.SIGINT, pooled, before) == (130, stopping.SENTENCE)


def test_what_must_end_with_a_command_ends_before_it() -> None:
    ends = "with stopping.ending_with(lambda: sys.stderr.write('ended ')): time.sleep(600)"
    assert stopped(signal.SIGTERM, ends) == (143, "ended " + stopping.SENTENCE)


@pytest.mark.parametrize(("work", "code"), [("sys.exit(3)", 3), ("raise SystemExit", 0), ("pass", 0), ("1 / 0", 1)])
def test_a_command_that_ends_by_itself_ends_as_ever(work, code) -> None:
    command = [sys.executable, "-c", WORKING.format(work=work, before="")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, "ZeroDivisionError" in done.stderr) == (code, code == 1)


def test_a_handler_of_somebody_else_waits_until_the_block_ends() -> None:
    raised = []
    before = signal.signal(signal.SIGINT, lambda *_: raised.append("raised"))
    try:
        with stopping.signals_held(), stopping.signals_held():
            os.kill(os.getpid(), signal.SIGINT)
            with duckdb.connect() as connection:
                assert connection.execute("select 1").fetchall() == [(1,)]
            assert raised == []
        assert raised == ["raised"]
    finally:
        signal.signal(signal.SIGINT, before)


def test_an_interrupt_within_the_block_is_raised_at_its_end() -> None:
    reached = []

    def work() -> None:
        with stopping.signals_held():
            os.kill(os.getpid(), signal.SIGINT)
            reached.append("end")

    with pytest.raises(KeyboardInterrupt):
        work()
    assert reached == ["end"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_in_a_thread_there_is_nothing_to_hold() -> None:
    seen = []

    def work() -> None:
        with stopping.signals_held():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [signal.default_int_handler]
