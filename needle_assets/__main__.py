"""The command ``needle`` as a process: ready to be stopped before anything that takes long is imported."""

import gc

from needle_assets.processes import stopping

# Python looks for garbage whenever so many objects more were made than freed. Its own 700 cost a sixth of the time of importing.
OBJECTS_BETWEEN_COLLECTIONS = 50_000


def main() -> None:
    """Run the command that this process was started with."""
    stopping.watch()
    gc.set_threshold(OBJECTS_BETWEEN_COLLECTIONS)
    from needle_assets.cli.command import main as run

    run()


if __name__ == "__main__":
    main()
