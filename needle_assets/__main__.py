"""The command ``needle`` as a process: ready to be stopped before anything that takes long is imported."""

from needle_assets.processes import stopping


def main() -> None:
    """Run the command that this process was started with."""
    stopping.watch()
    from needle_assets.cli.command import main as run

    run()


if __name__ == "__main__":
    main()
