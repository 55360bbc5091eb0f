"""What is a survey's own stands in ``surveys/``: bands, sizes, scales, depths and ids are named nowhere else."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "needle_assets"
BANDS = {"g", "r", "i", "gr", "ri", "gri", "g,r"}
# Side of a cutout, pixel scale, middle of a stamp. Others are also minutes, luminosities, ...: they count where a name says what.
NUMBERS = {63, 1.01, 29.5}
NAMED_NUMBERS = {60, 30, 20.5, 24.5}
ID = "ZTF["
_POWERS = (ast.Pow, ast.LShift, ast.RShift)

# Where one survey is met and known by its own words, and why.
BORDERS = {
    "surveys": "what they are",
    "simulation": "simulates ZTF's sky, exposures and packets, and what their bands are like",
    "landing/catalogues/labels.py": "types of supernovae, of which one is called I",
    "report/paper_numbers.py": "the numbers that the paper prints for ZTF",
}


def modules() -> Iterator[Path]:
    for path in sorted(PACKAGE.rglob("*.py")):
        name = path.relative_to(PACKAGE).as_posix()
        if not any(name == border or name.startswith(f"{border}/") for border in BORDERS):
            yield path


def said_of_a_survey(tree: ast.AST) -> list[str]:
    """Line and literal of everything that only a survey should say."""
    found = []
    powers = {node.right for node in ast.walk(tree) if isinstance(node, ast.BinOp) and isinstance(node.op, _POWERS)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign | ast.AnnAssign | ast.keyword) and _is_size_or_depth(node):
            found.append(f"{getattr(node, 'lineno', 0)}: {ast.unparse(node)[:80]}")
        if isinstance(node, ast.Tuple | ast.List | ast.Set | ast.Compare | ast.Subscript | ast.Call | ast.Dict | ast.For):
            found += [f"{child.lineno}: {child.value!r}" for child in _children(node) if _is_band(child)]
        if isinstance(node, ast.Constant) and type(node.value) in (int, float) and node.value in NUMBERS and node not in powers:
            found.append(f"{node.lineno}: {node.value}")
        if isinstance(node, ast.Constant) and isinstance(node.value, str | bytes) and _names_an_id(node.value):
            found.append(f"{node.lineno}: {node.value!r}")
    return found


def _children(node: ast.AST) -> Iterator[ast.Constant]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Constant):
            yield child


def _is_band(node: ast.Constant) -> bool:
    return isinstance(node.value, str) and node.value in BANDS


def _names_an_id(value: str | bytes) -> bool:
    text = value.decode(errors="replace") if isinstance(value, bytes) else value
    return ID in text or "ZTF\\d" in text


def _is_size_or_depth(node: ast.AST) -> bool:
    if isinstance(node, ast.keyword):
        names, values = [node.arg or ""], [node.value]
    elif isinstance(node, ast.Assign):
        names, values = [ast.unparse(target) for target in node.targets], [node.value]
    elif isinstance(node, ast.AnnAssign):
        names, values = [ast.unparse(node.target)], [node.value] if node.value else []
    else:
        names, values = [], []
    is_meant = any(word in name.lower() for name in names for word in ("stamp_size", "cutout", "limit_mag", "depth", "shape"))
    return is_meant and any(isinstance(v, ast.Constant) and v.value in NAMED_NUMBERS for v in values)


@pytest.mark.parametrize("path", list(modules()), ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_no_module_below_the_surveys_says_what_is_a_surveys(path):
    assert said_of_a_survey(ast.parse(path.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    "line",
    [
        'for band in ("g", "r"): pass',
        'peak = mags["g"]',
        'is_green = band == "r"',
        'colours = {"g": "green"}',
        "offset / 1.01",
        "np.zeros((63, 63))",
        "DETECTION_LIMIT_MAG = 20.5",
        "STAMP_SIZE_PX = 60",
        'ID = re.compile(r"ZTF[0-9]{2}")',
    ],
)
def test_what_creeps_back_is_seen(line):
    assert said_of_a_survey(ast.parse(line))


def test_every_border_is_there():
    assert all((PACKAGE / border).exists() for border in BORDERS)
