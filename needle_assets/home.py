"""Where one installation keeps its state: paths below NEEDLE_HOME, and the lock that lets one refresh run at a time."""

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from needle_assets.errors import NeedleError
from needle_assets.settings import Settings, SettingsError, read_settings

REPOSITORY = Path(__file__).resolve().parents[1]
IS_CHECKOUT = (REPOSITORY / "pyproject.toml").exists()
# Names of files of a home: what readers and writers open, and where their tables lie if not in these.
PUBLISHED, WORKING, LAKE = "needle.duckdb", "working.duckdb", "lake.json"


class HomeBusyError(NeedleError):
    """Another process works in this home; the message says which and what to do."""


@dataclass(frozen=True)
class Home:
    """
    The folder that holds warehouse, settings and Dagster's records.

    Parameters
    ----------
    path : Path
        Absolute folder; made by :meth:`prepare`.
    """

    path: Path

    @classmethod
    def from_environment(cls) -> "Home":
        """The folder that NEEDLE_HOME names; else ``warehouse/`` of the checkout, or ``~/needle`` where the package is installed."""
        usual = REPOSITORY / "warehouse" if IS_CHECKOUT else Path("~/needle")
        return bind(cls(Path(os.environ.get("NEEDLE_HOME") or usual).expanduser().resolve()))

    @property
    def state(self) -> Path:
        """Everything that people need not look at."""
        return self.path / ".state"

    @property
    def working(self) -> Path:
        """The database that writers use."""
        return self.state / WORKING

    @property
    def published(self) -> Path:
        """The database that people read."""
        return self.path / PUBLISHED

    @property
    def backups(self) -> Path:
        """Whole copies of the warehouse: of published files, of what was before a migration, of what a restore replaced."""
        return self.path / "backups"

    @property
    def dagster(self) -> Path:
        """DAGSTER_HOME: runs, events, schedules."""
        return self.state / "dagster"

    @property
    def unpacked(self) -> Path:
        """Packets taken out of archives, by sha256, while a refresh needs them more than once."""
        return self.state / "unpacked"

    @property
    def imported(self) -> Path:
        """Names the training set that was imported here; there is no such file in a home that is filled from packets."""
        return self.state / "imported"

    @property
    def settings_file(self) -> Path:
        """The user's settings."""
        return self.path / "settings.toml"

    def prepare(self) -> "Home":
        """Make the folders that do not exist yet. Raises OSError, with what to do, where that is not possible."""
        try:
            self.dagster.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OSError(
                f"{self.path} cannot be the home ({error.strerror}); set NEEDLE_HOME to a folder that you may write to."
            ) from error
        return bind(self)

    def settings(self, preset: str | None = None) -> Settings:
        """
        Settings of this home. The first use fixes the preset; another one later is refused.

        Raises
        ------
        SettingsError
            If the home belongs to another preset, or the file cannot be used.
        """
        remembered = self.state / "preset"
        stored = remembered.read_text(encoding="utf-8", errors="replace").strip() if remembered.exists() else None
        settings = read_settings(self.settings_file, preset or (None if self.settings_file.exists() else stored))
        if stored is not None and settings.preset != stored:
            raise SettingsError(
                f"{self.path} was filled with preset {stored!r}, but {settings.preset!r} was asked for; "
                f"set NEEDLE_HOME to an empty folder for {settings.preset!r}."
            )
        _require_place(self, settings)
        return settings

    def remember_preset(self, preset: str) -> None:
        """Bind this home to a preset."""
        _remember(self.state / "preset", preset)

    def landing(self) -> Path | None:
        """The landing folder this home is filled from, if it ever was."""
        path = self.state / "landing"
        return Path(path.read_text(encoding="utf-8", errors="replace").strip()) if path.exists() else None

    def remember_landing(self, folder: Path) -> None:
        """Bind this home to a landing folder."""
        _remember(self.state / "landing", str(folder))

    @contextmanager
    def lock(self, *, wait_seconds: float = 0.0, what: str = "refresh", name: str = "lock") -> Iterator[None]:
        """
        Hold the home alone, or with another ``name`` what goes by it; the lock ends with the process, even if it is killed.

        Raises
        ------
        HomeBusyError
            If another process still holds it after ``wait_seconds``.
        """
        with (self.state / name).open("a+", encoding="utf-8") as handle:
            deadline = time.monotonic() + wait_seconds
            while not _try_lock(handle.fileno()):
                if time.monotonic() >= deadline:
                    raise HomeBusyError(_busy_sentence(handle, self.path))
                time.sleep(0.1)
            # Who holds it is a kindness to whoever has to wait; on a full disk the work itself will say so.
            with suppress(OSError):
                os.ftruncate(handle.fileno(), 0)
                os.write(handle.fileno(), f"{what} (process {os.getpid()}, since {time.strftime('%H:%M:%S')})".encode())
            yield

    @contextmanager
    def running(self, run_id: str) -> Iterator[None]:
        """
        Mark a run of Dagster as worked on by this process.

        The mark is a locked file, and the lock ends with the process: whoever finds the file unlocked knows that the run died
        without saying so. It stays after an error too, as the error may be that nothing could be recorded.
        """
        folder = self.state / "runs"
        folder.mkdir(parents=True, exist_ok=True)
        unmarked = folder / f".{run_id}"
        with unmarked.open("w", encoding="utf-8") as handle:
            fcntl.flock(handle.fileno(), fcntl.LOCK_EX)
            mark = unmarked.rename(folder / run_id)
            yield
            mark.unlink()

    def dead_runs(self) -> list[str]:
        """Runs whose process ended without saying so; :meth:`forget_run` when that has been recorded."""
        folder = self.state / "runs"
        return [path.name for path in sorted(folder.glob("[!.]*")) if not _is_locked(path)] if folder.is_dir() else []

    def forget_run(self, run_id: str) -> None:
        """Remove the mark of a dead run."""
        (self.state / "runs" / run_id).unlink(missing_ok=True)


def bind(home: Home) -> Home:
    """Fix where the tables of a new home lie: in a lake, if its settings say so. Unfit settings are told by whoever needs them."""
    if home.settings_file.exists() and not home.working.exists() and place_of(home) is None:
        with suppress(SettingsError):
            remember_place(home, wanted_place(home))
    return home


def place_of(home: Home) -> dict[str, str] | None:
    """Catalogue and data of the lake in which a home's tables lie; None if it is the file."""
    path = home.state / LAKE
    found: dict[str, str] | None = json.loads(path.read_text(encoding="utf-8")) if path.exists() else None
    return found


def remember_place(home: Home, place: dict[str, str] | None) -> None:
    """Say where the tables lie from now on: in a lake, or (None) in the file."""
    if place is None:
        (home.state / LAKE).unlink(missing_ok=True)
        return
    home.state.mkdir(parents=True, exist_ok=True)
    if "://" not in place["data"]:
        Path(place["data"]).mkdir(parents=True, exist_ok=True)
    _remember(home.state / LAKE, json.dumps(place))


def wanted_place(home: Home, settings: Settings | None = None) -> dict[str, str] | None:
    """Where the settings want the tables to lie, whether or not they do; relative paths are below the home."""
    wanted = (settings or read_settings(home.settings_file)).warehouse
    if not wanted.catalogue:
        return None
    kind, _, rest = wanted.catalogue.partition(":")
    catalogue = wanted.catalogue if kind == "postgres" else f"{kind}:{home.path / Path(rest).expanduser()}"
    data = wanted.data if "://" in wanted.data else str(home.path / Path(wanted.data).expanduser())
    return {"catalogue": catalogue, "data": data.rstrip("/") + "/"}


def _require_place(home: Home, settings: Settings) -> None:
    """Raise SettingsError where the tables lie elsewhere than the settings say."""
    wanted, known = wanted_place(home, settings), place_of(home)
    if wanted != known and (known is not None or home.working.exists()):
        raise SettingsError(
            f"{home.path} keeps its tables in {_named(known)}, but [warehouse] of {home.settings_file} names {_named(wanted)}; "
            "`needle warehouse copy` takes them there, or set [warehouse] back to what it was."
        )


def _named(place: dict[str, str] | None) -> str:
    return f"the lake {place['catalogue']}, {place['data']}" if place else "one file"


def _remember(path: Path, text: str) -> None:
    """Replace a small file in whole, so that a kill or a full disk leaves the old one."""
    if path.exists() and path.read_text(encoding="utf-8", errors="replace").strip() == text:
        return
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(text + "\n", encoding="utf-8")
    partial.replace(path)


def _is_locked(path: Path) -> bool:
    try:
        with path.open(encoding="utf-8") as handle:
            return not _try_lock(handle.fileno())
    except FileNotFoundError:
        return True


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _busy_sentence(handle: object, path: Path) -> str:
    handle.seek(0)  # type: ignore[attr-defined]
    holder = handle.read().strip() or "another process"  # type: ignore[attr-defined]
    return f"{path} is in use by a {holder}; wait for it to end, then run the command again."
