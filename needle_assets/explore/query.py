"""The page for SQL: one question, asked by a process of its own with limits of time, memory and rows."""

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from needle_assets.explore import plots
from needle_assets.explore.judging import FormError, form_of
from needle_assets.explore.objects import FILE_HEADERS
from needle_assets.explore.rendering import message, page
from needle_assets.warehouse import exploring, questions
from needle_assets.warehouse.pages import asking

MOST_SHOWN = 1000
MAX_QUERY_CHARACTERS = 20_000


async def form(request: Request) -> Response:
    """The page with a query in its field, not yet asked: following a link asks nothing."""
    named = request.query_params.get("named", "")
    text = (
        asking.ready().get(named, {}).get("query", "")
        or request.query_params.get("text", "")[:MAX_QUERY_CHARACTERS]
        or questions.EXAMPLE
    )
    await run_in_threadpool(request.app.state.asker.prepare)
    return await run_in_threadpool(_shown, request, text, None)


async def ask(request: Request) -> Response:
    """The answer, as a page or as a file."""
    try:
        given = await form_of(request)
    except FormError as error:
        return message(request, 413, "Not asked", str(error))
    text, kind = given.get("text", "")[:MAX_QUERY_CHARACTERS], given.get("as", "")
    answer = await run_in_threadpool(request.app.state.asker.ask, text)
    if kind not in ("csv", "json") or answer.problem:
        return await run_in_threadpool(_shown, request, text, answer, given)
    data = exploring.as_csv(answer.columns, answer.rows) if kind == "csv" else exploring.as_json(answer.columns, answer.rows)
    headers = FILE_HEADERS | {"content-disposition": f'attachment; filename="answer.{kind}"'}
    return Response(data + "\n", media_type="text/csv; charset=utf-8" if kind == "csv" else "application/json", headers=headers)


def _shown(request: Request, text: str, answer: asking.Answer | None, given: dict[str, str] | None = None) -> Response:
    published = request.app.state.published
    axes = _axes(answer, given or {})
    names = answer.columns if answer else []
    return page(
        request,
        "sql.html",
        text=text,
        answer=answer,
        most_shown=MOST_SHOWN,
        plot=plots.quick(names, answer.rows, *axes) if answer and axes else None,
        chosen=dict(zip("xy", (names[k] for k in axes), strict=True)) if axes else {},
        tables=published.kept("tables", asking.tables),
        ready=asking.ready(),
        limits=asking.LIMITS,
    )


def _axes(answer: asking.Answer | None, given: dict[str, str]) -> tuple[int, int] | None:
    """Which columns are plotted, x and y: the two that were chosen, or the first two of numbers."""
    if answer is None or answer.problem or not answer.rows:
        return None
    numbers = [
        i
        for i in range(len(answer.columns))
        if any(isinstance(row[i], int | float) and not isinstance(row[i], bool) for row in answer.rows[:50])
    ]
    x, y = (answer.columns.index(given[name]) if given.get(name) in answer.columns else None for name in ("x", "y"))
    if (x is None or y is None) and len(numbers) < 2:
        return None
    return numbers[0] if x is None else x, numbers[1] if y is None else y
