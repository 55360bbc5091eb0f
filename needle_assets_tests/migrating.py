"""``python -m needle_assets_tests.migrating SQL N``: a home is opened with the descriptions in SQL, killed at statement N (0: at none)."""

import os
import signal
import sys
from pathlib import Path
from typing import Any

from needle_assets.home import Home
from needle_assets.pipeline.session import Session
from needle_assets.warehouse import schema


class Counted:
    """A connection whose process is killed before its n-th statement."""

    def __init__(self, connection: Any, n: int) -> None:
        self.connection, self.left = connection, n

    def execute(self, *arguments: Any) -> Any:
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return self.connection.execute(*arguments)


def main(sql: Path, n: int) -> None:
    """Open the home that NEEDLE_HOME names; prints how many statements the migration has."""
    schema.sql_folder = lambda: sql  # type: ignore[assignment]
    apply = schema.apply

    def counted(connection: Any) -> list[str]:
        through = Counted(connection, n)
        emptied = apply(through)  # type: ignore[arg-type]
        sys.stdout.write(str(n - through.left))
        return emptied

    schema.apply = counted  # type: ignore[assignment]
    home = Home.from_environment()
    Session(home, home.settings()).open()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
