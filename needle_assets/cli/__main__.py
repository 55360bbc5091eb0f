"""``python -m needle_assets.cli``: the command ``needle``, as ``python -m needle_assets``."""

from needle_assets.__main__ import main

if __name__ == "__main__":
    main()
