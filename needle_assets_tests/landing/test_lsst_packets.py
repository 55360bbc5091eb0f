"""One alert packet of Rubin's, from bytes to a checked row; real ones where they are given."""

import copy
import io
import math
import sys
from pathlib import Path

import fastavro
import pytest

from needle_assets.errors import Rejection
from needle_assets.landing.avro.messages import PACKAGE
from needle_assets.landing.lsst_packets import start_jd
from needle_assets.landing.packets import alert_row, read_packet, read_packets
from needle_assets.landing.scanning import read_file
from needle_assets_tests.lsst import (
    MIDPOINT,
    OBJECT_ID,
    SOURCE_ID,
    container,
    forced,
    message,
    packet_schema,
    record,
    source,
    write_schema,
)
from needle_assets_tests.packets import packet


@pytest.mark.parametrize("version", ["9.0", "10.0", "11.0", "11.1"])
def test_a_packet_of_every_schema_reads_back(version):
    found = read_packet(container(version=version))
    assert (found.object_id, found.candid, found.survey, found.schema_version) == (str(OBJECT_ID), SOURCE_ID, "lsst", version)
    assert (len(found.previous), len(found.forced_photometry)) == (2, 2)
    assert found.science == found.reference == found.difference != b""


def test_a_flux_becomes_a_magnitude_and_a_sign():
    row = alert_row(read_packet(container(record(diaSource=source(flux=-1000.0)))))
    assert row["magpsf"] == pytest.approx(31.4 - 7.5, abs=1e-9)
    assert row["sigmapsf"] == pytest.approx(2.5 / math.log(10.0) * 0.1)
    assert (row["isdiffpos"], row["psfFlux"], row["flags"]) == ("f", -1000.0, ["shape_flag"])


@pytest.mark.parametrize(
    ("flux", "is_negative", "sign"), [(5.0, False, "t"), (5.0, True, "f"), (-5.0, False, "f"), (5.0, None, "t")]
)
def test_a_source_is_positive_where_its_flux_and_its_detection_are(flux, is_negative, sign):
    given = record(diaSource=source(flux=flux, isNegative=is_negative))
    assert read_packet(container(given)).candidate["isdiffpos"] == sign


@pytest.mark.parametrize(("exposure", "seconds"), [(None, 52.0), (38.0, 56.0)])
def test_the_time_is_the_start_of_the_exposure_in_utc(exposure, seconds):
    assert (MIDPOINT + 2400000.5 - start_jd(MIDPOINT, exposure)) * 86400 == pytest.approx(seconds, abs=1e-4)


def test_a_packet_of_the_solar_system_is_refused_by_its_name():
    solar = {"diaSourceId": SOURCE_ID, "ssObjectId": 5, "designation": "2004 JQ12"}
    with pytest.raises(Rejection, match=r"solar-system object \(2004 JQ12\)") as why:
        read_packet(container(record(diaObject=None, ssSource=solar, diaSource=source(diaObjectId=0))))
    assert why.value.candid == SOURCE_ID


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"band": "w"}, "band is w, u, g, r, i, z, y are known"),
        ({"psfFlux": None}, "psfFlux is None"),
        ({"psfFlux": math.nan}, "psfFlux is nan"),
        ({"psfFluxErr": 0.0}, "error above zero"),
        ({"midpointMjdTai": 0.0}, "outside"),
        ({"ra": 400.0}, "diaSource.ra is 400.0, outside"),
        ({"glint_trail": True}, "says of the source glint_trail"),
        ({"timeWithdrawnMjdTai": MIDPOINT}, "withdrawn"),
    ],
)
def test_a_source_that_is_none_is_refused_with_its_field(changes, match):
    (why,) = read_packets(container(record(diaSource=source(**changes))))
    assert isinstance(why, Rejection)
    assert match in why.reason
    assert (why.candid, why.measured["object_id"]) == (SOURCE_ID, str(OBJECT_ID))


def test_earlier_sources_that_cannot_be_used_are_refused_one_by_one():
    given = record(prvDiaSources=[source(1), source(2, flux=None), source(3, glint_trail=True)])
    found = read_packet(container(given))
    assert [entry["candid"] for entry in found.previous] == [SOURCE_ID + 1]
    assert [why.reason.partition(" left out")[0] for why in found.refused] == ["prvDiaSources[1]", "prvDiaSources[2]"]


def test_what_a_broker_adds_is_passed_over():
    plan, given = packet_schema(), record()
    plan["fields"].insert(3, {"name": "broker", "type": {"type": "map", "values": "double"}})
    plan["fields"][4]["type"]["fields"].append({"name": "score", "type": {"type": "array", "items": "float"}})
    given["broker"] = {"snn": 0.9}
    for told in (given["diaSource"], *given["prvDiaSources"]):
        told["score"] = [1.0, 2.0]
    assert read_packet(container(given, schema=plan)) == read_packet(container())


def test_a_packet_of_either_survey_is_known_by_its_record_not_its_path(tmp_path):
    (tmp_path / "alerts").mkdir()
    (tmp_path / "alerts" / "ztf.avro").write_bytes(container(record(), record(diaSource=source(9))))
    (tmp_path / "alerts" / "lsst.avro").write_bytes(packet())
    assert found_in(tmp_path) == {str(OBJECT_ID): 2, "ZTF18abcdefg": 1}


def found_in(folder: Path) -> dict[str, int]:
    from needle_assets.landing.folder import scan

    (reports,) = [read_file((folder, tuple(file for file in scan(folder) if file.kind == "packet")))]
    ids = [found.object_id for report in reports for found in report.packets]
    return {name: ids.count(name) for name in ids}


def test_messages_are_read_with_the_schemas_of_the_landing_folder(tmp_path):
    write_schema(tmp_path / "schemas")
    (tmp_path / "alerts").mkdir()
    (tmp_path / "alerts" / "a.avro").write_bytes(message() + message(record(diaSource=source(4))))
    assert found_in(tmp_path) == {str(OBJECT_ID): 2}
    assert read_packet(message(), tmp_path / "schemas") == read_packet(container(version="11.1"))


def test_messages_are_read_with_the_schemas_of_the_package(tmp_path, monkeypatch):
    package = tmp_path / Path(*PACKAGE.split("."))
    write_schema(package / "schema", 1000)
    (package / "__init__.py").write_text("raise ImportError('nothing of the package is imported')")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    for name in [name for name in sys.modules if name == "lsst" or name.startswith("lsst.")]:
        monkeypatch.delitem(sys.modules, name)
    assert read_packet(message(number=1000)).schema_version == "10.0"


def test_a_message_in_an_unknown_schema_says_what_to_install_and_is_tried_again(tmp_path):
    (tmp_path / "alerts").mkdir()
    (tmp_path / "alerts" / "a.avro").write_bytes(message(number=2300))
    (report,) = read_file((tmp_path, tuple(_files(tmp_path))))
    assert "schema 2300 (version 23.0 as Rubin counts them), which is not known here; install" in report.rejections[0].reason
    assert report.file.mtime_ns == -1


def _files(folder: Path):
    from needle_assets.landing.folder import scan

    return [file for file in scan(folder) if file.kind == "packet"]


@pytest.mark.parametrize("damage", [lambda data: data[:300], lambda data: data + b"\0\0"])
def test_a_damaged_message_is_refused(tmp_path, damage):
    *_, why = read_packets(damage(message()), write_schema(tmp_path))
    assert isinstance(why, Rejection)
    assert "damaged" in why.reason


def test_a_container_cut_off_behind_its_source_is_refused_under_its_object():
    data = container(record(cutoutScience=None, cutoutTemplate=None, cutoutDifference=None))
    (why,) = read_packets(data[:-60])
    assert (why.candid, why.measured["object_id"]) == (SOURCE_ID, str(OBJECT_ID))


def test_forced_photometry_is_kept_with_its_sign_and_its_processing():
    given = record(prvDiaForcedSources=[forced(flux=-30.0), forced(1, band="w")])
    found = read_packet(container(given))
    (kept,) = found.forced_photometry
    assert (kept["psfFlux"], kept["band"], kept["midpointMjdTai"]) == (-30.0, "i", MIDPOINT)
    assert [why.measured["index"] for why in found.refused] == [1]


def real_packets(rubin: Path) -> list[Path]:
    return sorted(rubin.glob("alerts/*.avro"))


def test_every_real_packet_is_a_packet_or_of_the_solar_system(rubin):
    results = [result for path in real_packets(rubin) for result in read_packets(path.read_bytes())]
    refused = [why.reason for why in results if isinstance(why, Rejection)]
    assert len(results) == 24
    assert all("solar-system object" in reason for reason in refused)
    assert len(refused) == 3


def test_real_magnitudes_are_those_of_the_fluxes(rubin):
    for path in real_packets(rubin):
        with path.open("rb") as file:
            (given,) = fastavro.reader(file)
        (found,) = read_packets(path.read_bytes())
        if given["diaObject"] is None:
            continue
        told = {entry["diaSourceId"]: entry["psfFlux"] for entry in [given["diaSource"], *(given["prvDiaSources"] or [])]}
        read = {entry["candid"]: entry["magpsf"] for entry in [{**found.candidate, "candid": found.candid}, *found.previous]}
        assert read == pytest.approx({number: 31.4 - 2.5 * math.log10(abs(flux)) for number, flux in told.items()}, abs=1e-6)
        assert len(found.forced_photometry) == len(given["prvDiaForcedSources"] or [])


@pytest.mark.parametrize("number", [900, 1000, 1100, 1101])
def test_a_real_packet_survives_the_way_of_kafka_in_every_published_schema(rubin, number):
    major, minor = divmod(number, 100)
    schema = fastavro.schema.load_schema(str(rubin / f"schema/{major}/{minor}/lsst.v{major}_{minor}.alert.avsc"))
    with (rubin / "alerts" / "170094456248729605.avro").open("rb") as file:
        (given,) = fastavro.reader(file)
    whole = copy.deepcopy(given)
    for told in (whole["diaSource"], *whole["prvDiaSources"]):
        told.update({name: told.get(name) or 0 for name in ("psfNdata", "trailNdata", "dipoleNdata", "bboxSize")})
    out = io.BytesIO()
    fastavro.schemaless_writer(out, schema, whole)
    found = read_packet(b"\0" + number.to_bytes(4, "big") + out.getvalue(), rubin / "schema")
    assert found.previous == read_packet((rubin / "alerts" / "170094456248729605.avro").read_bytes()).previous


def test_the_observatorys_own_examples_are_read(rubin):
    for path in sorted(rubin.glob("schema/*/*/sample_data/fakeAlert.avro")):
        assert read_packet(path.read_bytes()).candidate["magpsf"] == pytest.approx(31.4 - 2.5 * math.log10(1241.0))
