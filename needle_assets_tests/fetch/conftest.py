"""Loopback services, and everything a fetch takes from outside."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from needle_assets.fetch import Around, FetchSummary, Progress, fetch
from needle_assets.settings import FetchSettings, Settings
from needle_assets_tests.fetch import sky
from needle_assets_tests.fetch.loopback import Clock, Response, Server

BOT = {"tns_bot_id": "77", "tns_bot_name": "needle_bot"}


@dataclass
class Services:
    """Every service on this machine, and one place elsewhere that nobody may be led to."""

    servers: dict[str, Server]
    elsewhere: Server

    def reset(self) -> None:
        for server in (*self.servers.values(), self.elsewhere):
            server.reset()

    def settings(self, **changes: Any) -> Settings:
        """Settings that point here; waits are counted, not slept."""
        urls = {name: server.url for name, server in self.servers.items()} | {"bts": self.servers["bts"].url + "/?f=s&format=csv"}
        defaults = FetchSettings()
        services = {name: replace(getattr(defaults, name), url=url) for name, url in urls.items()}
        services["alerce"] = replace(services["alerce"], batch=3)
        services["panstarrs"] = replace(services["panstarrs"], batch=2)
        services["fink"] = replace(services["fink"], batch=2)
        services["lasair"] = replace(services["lasair"], batch=2)
        services["lasair_images"] = replace(services["lasair_images"], interval_seconds=0.0)
        return Settings(fetch=replace(defaults, **({"timeout_seconds": 20.0, "tries": 2} | BOT | services | changes)))

    def as_toml(self) -> str:
        """Sections of settings.toml that point here; nothing is waited for."""
        urls = {name: server.url for name, server in self.servers.items()} | {"bts": self.servers["bts"].url + "/?f=s&format=csv"}
        sections = [f'[fetch.{name}]\nurl = "{url}"\ninterval_seconds = 0.0' for name, url in urls.items()]
        return "\n".join(["[fetch]", "tries = 1", *sections])


@dataclass
class Fetcher:
    """Runs sources on one folder and remembers everything that was said."""

    services: Services
    landing: Path
    clock: Clock = field(default_factory=lambda: Clock(sky.NOW))
    said: list[str] = field(default_factory=list)
    changes: dict[str, Any] = field(default_factory=dict)

    def __call__(self, source: str, **asked: Any) -> FetchSummary:
        around = Around(
            clock=self.clock,
            sleep=self.clock.sleep,
            rng=np.random.default_rng(7),
            environment={f"NEEDLE_{name}": sky.TOKEN for name in ("LASAIR_TOKEN", "LASAIR_LSST_TOKEN", "TNS_API_KEY")},
            progress=self._hear,
        )
        summary = fetch(source, self.landing, settings=self.services.settings(**self.changes), around=around, **asked)
        self.said.append(repr(summary))
        return summary

    def _hear(self, progress: Progress) -> None:
        self.said.append(str(progress))


@pytest.fixture(autouse=True)
def no_fsync(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests pull no plugs, and a busy disk takes long to say that it is safe."""
    monkeypatch.setattr("os.fsync", lambda _file: None)


@contextmanager
def opened_services() -> Iterator[Services]:
    """Every service, until the end."""
    answers: dict[str, Any] = {
        name: getattr(sky, name)
        for name in (
            "bts",
            "tns",
            "alerce",
            "alerce_packets",
            "lasair_images",
            "fink",
            "fink_lsst",
            "lasair_lsst",
            "field_images",
            "field_images_ps1",
        )
    }
    servers = {
        name: Server(answer)
        for name, answer in (
            answers | {"panstarrs": sky.mast, "legacy": sky.legacy, "archive": sky.archive, "dust": sky.dust}
        ).items()
    }
    servers["lasair"] = Server(partial(sky.lasair, images=servers["lasair_images"].url))
    services = Services(servers, Server(lambda _request: Response(b"{}")))
    yield services
    for server in (*servers.values(), services.elsewhere):
        server.close()


@pytest.fixture(scope="module")
def all_services() -> Iterator[Services]:
    with opened_services() as services:
        yield services


@pytest.fixture
def services(all_services: Services) -> Services:
    all_services.reset()
    return all_services


@pytest.fixture
def fetcher(services: Services, tmp_path: Path) -> Fetcher:
    return Fetcher(services, tmp_path / "landing")


@pytest.fixture
def with_catalogue(fetcher: Fetcher) -> Fetcher:
    """A folder that holds the catalogue."""
    fetcher.landing.mkdir()
    (fetcher.landing / "bts.csv").write_bytes(sky.bts_csv())
    return fetcher


@pytest.fixture
def new_fetcher(services: Services, tmp_path: Path) -> Callable[[str], Fetcher]:
    return lambda name: Fetcher(services, tmp_path / name)
