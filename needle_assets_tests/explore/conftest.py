"""The pages of a filled home, asked without a server."""

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import httpx
import pytest

from needle_assets.explore.app import make_app
from needle_assets.guard import guarded
from needle_assets.home import Home

HERE = "http://127.0.0.1:3001"
Ask = Callable[..., httpx.Response]


def asker(home: Home) -> Ask:
    """Asks the pages of a home, behind the guard, as a program on this machine does."""
    app = guarded(make_app(home), 3001)

    def ask(path: str, method: str = "GET", **options: Any) -> httpx.Response:
        async def asking() -> httpx.Response:
            async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=HERE) as client:
                return await client.request(method, HERE + path, **options)

        return asyncio.run(asking())

    return ask


@pytest.fixture(scope="session")
def ask(filled: tuple[Path, Home]) -> Ask:
    """Asks the pages of the filled home, which nobody may judge."""
    return asker(filled[1])


@pytest.fixture
def judged(own: tuple[Path, Home]) -> tuple[Path, Ask]:
    """A landing folder that verdicts may be written to, and its pages."""
    return own[0], asker(own[1])


def edited(filled: tuple[Path, Home], tmp_path: Path, *statements: str) -> Home:
    """A home with a published warehouse that says something else."""
    home = Home(tmp_path / "edited").prepare()
    shutil.copy(filled[1].published, home.published)
    home.published.chmod(0o644)
    with duckdb.connect(str(home.published)) as connection:
        for statement in statements:
            connection.execute(statement)
    return home
