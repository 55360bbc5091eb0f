"""Every page of every kind of object; nothing from outside is markup, and nobody else's page may ask."""

import io
from pathlib import Path

import polars as pl
import pytest
from astropy.io import fits

from needle_assets.home import Home
from needle_assets.landing import verdicts
from needle_assets_tests.explore.conftest import Ask, asker, edited
from needle_assets_tests.folders import rows

PAGES = ("/", "/explore", "/candidates", "/objects", "/gallery", "/sql", "/nights")
HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>"


def an_object(home: Home, table: str = "core.masked_stamps") -> str:
    return str(rows(home, f"select min(object_id) from {table}")[0][0])


@pytest.mark.parametrize("page", PAGES)
def test_every_page_comes_with_a_policy_and_runs_no_script_of_its_own(ask: Ask, page: str) -> None:
    answer = ask(page)
    assert answer.status_code == 200, answer.text
    assert "script-src 'self';" in answer.headers["content-security-policy"]
    assert "<script>" not in answer.text
    assert "onclick" not in answer.text


def test_every_object_has_a_page(ask: Ask, filled: tuple[Path, Home]) -> None:
    for (object_id,) in rows(filled[1], "select object_id from lineage.objects union select object_id from raw.objects"):
        answer = ask(f"/objects/{object_id}")
        assert answer.status_code == 200, answer.text
        assert f"<h1>{object_id}" in answer.text


def test_a_night_shows_what_speaks_against_its_candidates_as_text(filled: tuple[Path, Home], tmp_path: Path) -> None:
    night = (
        "insert into lineage.nights by name select 'n' as run_id, now()::timestamp as started_at, [] as sources, [] as failures, "
        "0 as n_left, 0 as n_objects_before, 0 as n_detections_before, [] as high_scores_before, ['ZTF18aaaaaaa'] as new_high_scores, "
        "['<b>a star</b> of 15.0 mag'] as against"
    )
    ask = asker(edited(filled, tmp_path, night))
    for page in ("/", "/nights"):
        assert "ZTF18aaaaaaa</a> (&lt;b&gt;a star&lt;/b&gt; of 15.0 mag)" in ask(page).text


KINDS = {
    "no host": ("delete from core.hosts", "Not looked for yet"),
    "no galaxy": ("update core.hosts set is_hosted = false, search_outcome = 'no host'", "have no likely galaxy"),
    "not covered": ("update core.hosts set is_hosted = false, search_outcome = 'not covered'", "so there may be a host"),
    "no stamps": (
        "delete from core.stamps; delete from core.masked_stamps; delete from core.stamp_quality",
        "No packet with cutouts",
    ),
    "one detection": ("delete from core.detections where mjd > (select min(mjd) from core.detections)", "1 detections"),
    "nothing measured": ("delete from core.detections; delete from core.light_curves; delete from core.gp_fits", "No photometry"),
    "negative": ("update core.detections set is_positive = false", "g faded"),
    "refused": (
        "insert into core.rejections select 'core.masks', object_id, 7, 'too dark to see', '{}', now()::timestamp from lineage.objects",
        "too dark to see",
    ),
    "no scores": ("delete from results.candidates; delete from results.predictions", "No model has scored it"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_an_object_that_lacks_something_has_a_page_that_says_so(kind: str, filled: tuple[Path, Home], tmp_path: Path) -> None:
    change, said = KINDS[kind]
    object_id = str(rows(filled[1], "select object_id from core.detections order by mjd limit 1")[0][0])
    answer = asker(edited(filled, tmp_path, change))(f"/objects/{object_id}")
    assert answer.status_code == 200
    assert said in answer.text


def test_markup_is_shown_as_text_everywhere(filled: tuple[Path, Home], tmp_path: Path) -> None:
    quoted = HOSTILE.replace("'", "''")
    changes = (
        f"update raw.objects set type = '{quoted}', iau_name = '{quoted}'",
        f"update raw.alerts set path = '{quoted}', member = '{quoted}'",
        f"insert into core.rejections select '{quoted}', object_id, 7, '{quoted}', '{{}}', now()::timestamp from lineage.objects",
        f"update core.hosts set source = '{quoted}'",
    )
    hostile = asker(edited(filled, tmp_path, *changes))
    for page in ("/", "/objects", "/candidates", "/gallery", f"/objects/{an_object(filled[1])}", f"/objects/{HOSTILE}"):
        text = hostile(page).text
        assert "<script>alert" not in text, page
        assert "<img src=x" not in text, page
    for page in (
        f"/objects?search={HOSTILE}",
        f"/objects?cone={HOSTILE}",
        f"/candidates?min_p={HOSTILE}",
        f"/sql?text={HOSTILE}",
    ):
        assert "<script>alert" not in hostile(page).text, page
    answered = hostile("/sql", "POST", data={"text": "select iau_name, type from raw.objects"}).text
    assert "&lt;script&gt;alert(1)" in answered
    assert "<script>alert" not in answered


def test_markup_in_what_people_say_is_shown_as_text_wherever_it_is(judged: tuple[Path, Ask]) -> None:
    landing, ask = judged
    object_id = ask("/objects?order=id").text.split('data-object="')[1].split('"')[0]
    given = {"object_id": object_id, "verdict": "TDE", "comment": HOSTILE, "judged_by": HOSTILE[:80]}
    assert ask("/verdicts", "POST", data=given).status_code == 303
    verdicts.append(landing, verdicts.STAMP_FILE, {**given, "verdict": "bad", "candid": 1, "image": "science"})
    for page in ("/", "/candidates", "/objects", "/objects?verdict=any", "/gallery", f"/objects/{object_id}"):
        text = ask(page).text
        assert "<script>alert" not in text, page
        assert "<img src=x" not in text, page


def test_an_unknown_object_is_a_page_not_found(ask: Ask) -> None:
    answer = ask("/objects/ZTF00aaaaaaa")
    assert answer.status_code == 404
    assert "in no table of this warehouse" in answer.text


def test_a_home_without_a_warehouse_says_what_to_do(tmp_path: Path) -> None:
    answer = asker(Home(tmp_path).prepare())("/candidates")
    assert answer.status_code == 503
    assert "needle refresh" in answer.text


def test_a_warehouse_that_other_code_published_says_what_to_do(filled: tuple[Path, Home], tmp_path: Path) -> None:
    old = asker(edited(filled, tmp_path, "drop view results.candidate_ranking", "alter table core.hosts rename r_mag to host_r"))
    for page in ("/", "/candidates", "/objects"):
        answer = old(page)
        assert answer.status_code == 503
        assert "`needle refresh` publishes it anew" in answer.text


def test_what_was_published_since_is_shown(filled: tuple[Path, Home], tmp_path: Path) -> None:
    home = edited(filled, tmp_path)
    ask, object_id = asker(home), an_object(filled[1], "raw.objects")
    assert "SN of yesterday" not in ask(f"/objects/{object_id}").text
    edited(filled, tmp_path / "new", "update raw.objects set type = 'SN of yesterday'").published.replace(home.published)
    assert "SN of yesterday" in ask(f"/objects/{object_id}").text


def test_a_search_by_id_or_name_leads_to_the_object(ask: Ask, filled: tuple[Path, Home]) -> None:
    object_id, name = rows(filled[1], "select object_id, iau_name from raw.objects where iau_name is not null order by 1")[0]
    for text in (object_id, str(object_id).lower(), name, str(name)[2:]):
        answer = ask("/objects", params={"search": text})
        assert answer.headers.get("location") == f"/objects/{object_id}", text


def test_a_cone_finds_what_lies_in_it(ask: Ask, filled: tuple[Path, Home]) -> None:
    object_id, ra, dec = rows(filled[1], "select object_id, ra_deg, dec_deg from core.objects order by 1")[0]
    inside = ask("/objects", params={"cone": f"{ra} {float(str(dec)) + 4 / 3600} 5"}).text
    outside = ask("/objects", params={"cone": f"{ra} {float(str(dec)) + 6 / 3600} 5"}).text
    assert f'data-object="{object_id}"' in inside
    assert f'data-object="{object_id}"' not in outside
    assert "is no position" in ask("/objects", params={"cone": "here"}).text


def test_filters_leave_what_they_name(ask: Ask, filled: tuple[Path, Home]) -> None:
    (n_sn,) = rows(filled[1], "select count(*) from core.objects where label = 'SN'")[0]
    (n_bright,) = rows(filled[1], "select count(*) from core.objects where brightest_mag <= 19")[0]
    assert ask("/objects?label=SN").text.count("<tr data-href") == n_sn
    assert ask("/objects?max_mag=19").text.count("<tr data-href") == n_bright


def test_pictures_are_drawn_when_somebody_asks(ask: Ask, filled: tuple[Path, Home]) -> None:
    object_id, candid = rows(filled[1], "select object_id, candid from core.masked_stamps order by 1")[0]
    for name in ("science", "reference", "mask", "masked_science", "pair"):
        answer = ask(f"/objects/{object_id}/stamps/{candid}/{name}.png")
        assert answer.headers["content-type"] == "image/png"
        assert answer.content.startswith(b"\x89PNG")
    assert ask(f"/objects/{object_id}/stamps/{candid}/none.png").status_code == 404


def test_rows_and_stamps_can_be_downloaded(ask: Ask, filled: tuple[Path, Home]) -> None:
    object_id, candid = rows(filled[1], "select object_id, candid from core.stamps order by 1")[0]
    (n,) = rows(filled[1], f"select count(*) from core.detections where object_id = '{object_id}'")[0]
    assert len(ask(f"/objects/{object_id}/rows/core.detections.csv").text.splitlines()) == int(str(n)) + 1
    assert len(pl.read_parquet(io.BytesIO(ask(f"/objects/{object_id}/rows/core.detections.parquet").content))) == n
    with fits.open(io.BytesIO(ask(f"/objects/{object_id}/stamps/{candid}.fits").content)) as units:
        assert units["SCIENCE"].data.shape == (60, 60)  # type: ignore[index]
    assert ask(f"/objects/{object_id}/rows/lineage.state.csv").status_code == 404


def test_pages_of_others_may_not_ask(ask: Ask) -> None:
    assert ask("/candidates", headers={"host": "evil.example"}).status_code == 400
    assert ask("/verdicts", "POST", headers={"origin": "http://evil.example"}, data={"verdict": "TDE"}).status_code == 403
    assert ask("/sql", "POST", headers={"sec-fetch-site": "cross-site"}, data={"text": "select 1"}).status_code == 403


def test_plots_come_from_this_machine(ask: Ask) -> None:
    answer = ask("/explore-files/plotly.js")
    assert answer.headers["content-type"].startswith("text/javascript")
    assert "plotly.js" in answer.text[:300]
