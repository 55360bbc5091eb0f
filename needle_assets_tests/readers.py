"""``python -m needle_assets_tests.readers FILE STOP``: ask a published file the same questions until the file STOP exists.

Every round opens the file anew. With ``keep`` as third argument one connection stays open over all rounds. Prints the number of
rounds; any error ends the process with a traceback.
"""

import sys
import time
from pathlib import Path

import duckdb

QUESTIONS = (
    "select count(*) from raw.objects join core.detections using (object_id)",
    "select object_id, count(science) from core.stamps group by object_id",
    "select stage, reason, count(*) from core.rejections group by all",
)


def main(database: str, stop: str, how: str = "open") -> None:
    def connect() -> duckdb.DuckDBPyConnection:
        return duckdb.connect(database, read_only=True, config={"threads": 1})

    kept = connect() if how == "keep" else None
    answers, rounds = None, 0
    while not Path(stop).exists() or rounds == 0:
        connection = kept or connect()
        found = [connection.execute(question).fetchall() for question in QUESTIONS]
        if kept is None:
            connection.close()
        elif answers is not None:
            assert list(map(sorted, found)) == answers, "an open connection must not see the next file"
        answers, rounds = list(map(sorted, found)), rounds + 1
        time.sleep(0.2)
    print(rounds)


if __name__ == "__main__":
    main(*sys.argv[1:])
