"""What the pages name is there: files, modules, tables and columns, settings, options, variables, goals of make; every page is indexed."""

import importlib.util
import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import get_type_hints

import pytest
import typer

from needle_assets.cli import command as cli
from needle_assets.settings import Settings
from needle_assets.warehouse.dictionary import column_comments
from needle_assets_tests.docs.pages import PAGES, REPOSITORY, coded, files, links

CODE = ("needle_assets", "needle_assets_tests", "benchmarks", "tools", "deploy", "warehouse", "docs")
# Where a path may begin: people say `landing/folder.py` of a module of the package, `candidates.sql` of a query.
ROOTS = ("", "needle_assets", "needle_assets_tests", "docs", "warehouse", "warehouse/queries", "warehouse/tables")


EXAMPLES = ("n_2",)  # names that are made as they are needed


def page_id(page: Path) -> str:
    return page.relative_to(REPOSITORY).as_posix()


@cache
def sources() -> str:
    """All Python and SQL of the repository, and the Makefile."""
    found = [path for folder in CODE for kind in ("*.py", "*.sql") for path in sorted((REPOSITORY / folder).rglob(kind))]
    others = [path for path in found if path.parent != Path(__file__).parent]
    return "\n".join(path.read_text(encoding="utf-8") for path in [*others, REPOSITORY / "Makefile"])


@cache
def file_names() -> frozenset[str]:
    return frozenset(path.name for folder in CODE for path in (REPOSITORY / folder).rglob("*.*"))


def is_file(text: str) -> bool | None:
    """None: not the name of a file of ours."""
    if not re.fullmatch(r"[\w./-]+\.(py|sql|md|toml)(:\w+)?", text) or text == "settings.toml":
        return None
    path, _, name = text.partition(":")
    found = [REPOSITORY / root / path for root in ROOTS if (REPOSITORY / root / path).exists()]
    if not found and "/" not in path:
        return path in file_names()
    return bool(found) and (not name or re.search(rf"^(def|class) {name}\b", found[0].read_text(), re.MULTILINE) is not None)


def is_module(text: str) -> bool | None:
    words = re.fullmatch(r"(?:python -m )?(needle_assets(?:_tests)?(?:\.\w+)+)( .*)?", text)
    return None if words is None else importlib.util.find_spec(words[1]) is not None


def is_script(text: str) -> bool | None:
    words = re.match(r"python ((?!-)\S+)", text)
    return None if words is None else (REPOSITORY / words[1]).exists()


def is_table(text: str) -> bool | None:
    words = re.fullmatch(r"(raw|core|results|lineage)[./](\w+)(?:\.(\w+))?", text)
    if words is None:
        return None
    columns = column_comments().get(f"{words[1]}.{words[2]}")
    return columns is not None and (words[3] is None or words[3] in {name for name, *_ in columns})


def is_setting(text: str) -> bool | None:
    words = re.fullmatch(r"\[([\w.]+)\](?: (\w+))?(?: = .*)?", text)
    if words is None:
        return None
    section: object = Settings
    for name in [*words[1].split("."), *([words[2]] if words[2] else [])]:
        section = get_type_hints(section).get(name) if isinstance(section, type) else None
    return section is not None


def is_option(text: str) -> bool | None:
    words = re.fullmatch(r"(--[\w-]+)(?:[ =].*)?", text)
    return None if words is None else words[1] in options() or f'"{words[1]}"' in sources()


@cache
def options() -> frozenset[str]:
    """Every option of every verb."""
    group = typer.main.get_command(cli.app)
    verbs = [group, *getattr(group, "commands", {}).values()]
    verbs += [verb for above in verbs[1:] for verb in getattr(above, "commands", {}).values()]
    return frozenset(name for verb in verbs for parameter in verb.params for name in (*parameter.opts, *parameter.secondary_opts))


def is_variable(text: str) -> bool | None:
    words = re.fullmatch(r"(NEEDLE_\w+)(?:=.*)?", text)
    return None if words is None else words[1] in sources()


def is_goal(text: str) -> bool | None:
    words = re.match(r"make ([\w-]+)", text)
    return None if words is None else re.search(rf"^{words[1]}:", sources(), re.MULTILINE) is not None


def is_word(text: str) -> bool | None:
    """Names of functions, classes, columns, arguments: each word stands somewhere in the code."""
    words = re.fullmatch(r"([A-Za-z_][\w.]*)(\(.*\))?", text)
    return None if words is None or text in EXAMPLES else all(word in words_of_code() for word in re.findall(r"\w+", words[1]))


@cache
def words_of_code() -> frozenset[str]:
    return frozenset(re.findall(r"\w+", sources()))


KINDS: tuple[Callable[[str], bool | None], ...] = (
    *(is_file, is_module, is_script, is_table, is_setting, is_option, is_variable, is_goal, is_word),
)


def unknown(texts: list[str]) -> Iterator[str]:
    """Names of a kind that can be looked up, and that nothing has."""
    for text in texts:
        judged = [judge(text) for judge in KINDS]
        if False in judged:
            yield text


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_what_a_page_names_is_there(page: Path) -> None:
    made = {path for path, *_ in files(page)} | {"core.colours", "core/colours", "colours"} if files(page) else set()
    assert [text for text in unknown(coded(page)) if text not in made] == []


@pytest.mark.parametrize(
    "wrong",
    [
        *(
            "landing/nowhere.py",
            "nowhere.py",
            "assets/stamps.py:nothing",
            "needle_assets.landing.nowhere",
            "python -m needle_assets.x",
        ),
        *("python benchmarks/nowhere.py", "core.nothing", "raw.alerts.nothing", "[nothing]", "[schedule] nothing", "--nothing"),
        *("NEEDLE_NOTHING", "make nothing", "resampling.nothing_like_this"),
    ],
)
def test_a_name_that_is_none_would_be_found(wrong: str) -> None:
    assert list(unknown([wrong])) == [wrong]


def test_every_page_is_in_the_index() -> None:
    index = REPOSITORY / "docs" / "README.md"
    listed = {(index.parent / target).resolve() for target in links(index)}
    assert [page_id(page) for page in PAGES if page != index and page not in listed] == []
    assert "docs/README.md" in links(REPOSITORY / "README.md")
