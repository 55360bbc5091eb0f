"""What is in deploy/ starts what there is, as whoever reads the options of these programs would; test_dask.py starts workers as it does."""

import re
import runpy
import shlex
from pathlib import Path

import pytest
import typer
import yaml

from needle_assets.cli.command import app
from needle_assets_tests.docs.pages import REPOSITORY

DEPLOY = REPOSITORY / "deploy"
SCRIPTS = ("slurm.sh", "htcondor.sub")


def parsed(words: list[str]) -> dict[str, object]:
    """The options of a command of Dask's or ours, as its program reads them; an unknown one is an error of its."""
    if words[0] == "needle":
        command = typer.main.get_command(app).commands[words[1]]
        return command.make_context(words[1], words[2:]).params
    from distributed.cli import dask_scheduler, dask_worker

    words = [__file__ if word.startswith(("/tls/", "/home/me/")) else word for word in words]  # only files that exist are taken
    program = {"scheduler": dask_scheduler, "worker": dask_worker}[words[1]]
    return program.main.make_context(words[1], words[2:]).params


def started_by(name: str) -> list[str]:
    """The words with which a job script starts a worker."""
    text = (DEPLOY / name).read_text()
    [line] = re.findall(r"python -m distributed\.cli\.dask_worker ([^'\n]*)", text)
    return ["dask", "worker", *shlex.split(line)]


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_job_scripts_are_as_dask_jobqueue_makes_them() -> None:
    made = runpy.run_path(str(DEPLOY / "job_scripts.py"))["scripts"]()
    assert made == {name: (DEPLOY / name).read_text() for name in SCRIPTS}


@pytest.mark.slow
@pytest.mark.parametrize("name", SCRIPTS)
def test_a_job_starts_one_worker_of_one_thread_with_certificates_and_no_name(name) -> None:
    given = parsed(started_by(name))
    assert (given["nthreads"], given["name"], given["death_timeout"]) == (1, None, "60")
    assert given["scheduler"].startswith("tls://")
    assert all(given[option] for option in ("tls_ca_file", "tls_cert", "tls_key"))
    assert "POLARS_MAX_THREADS=1" in (DEPLOY / name).read_text()


@pytest.mark.slow
def test_containers_of_kubernetes_start_what_there_is_and_mount_what_they_name() -> None:
    spec = yaml.safe_load((DEPLOY / "kubernetes.yaml").read_text())["spec"]
    for part in ("scheduler", "worker"):
        pod = spec[part]["spec"]
        [container] = pod["containers"]
        given = parsed(container["command"])
        assert all(given[option] for option in ("tls_ca_file", "tls_cert", "tls_key"))
        assert {mount["name"] for mount in container["volumeMounts"]} == {volume["name"] for volume in pod["volumes"]}
    assert (given["scheduler"], given["nthreads"]) == ("tls://needle-scheduler:8786", 1)


@pytest.mark.slow
def test_services_of_the_compose_file_start_what_there_is_and_need_each_other() -> None:
    services = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]
    given = {name: parsed(service["entrypoint"]) for name, service in services.items() if "entrypoint" in service}
    assert given.keys() == {"scheduler", "worker", "ui"}
    assert (given["worker"]["scheduler"], given["worker"]["nthreads"]) == ("tcp://127.0.0.1:8786", 1)
    assert (given["scheduler"]["host"], given["scheduler"]["port"]) == ("127.0.0.1", "8786")
    assert all(needed in services for service in services.values() for needed in service.get("depends_on", ()))


def test_the_image_takes_the_extras_that_deploy_names() -> None:
    extras = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["x-needle"]["build"]["args"]["EXTRAS"]
    known = re.findall(r"^(\w+) = \[", Path(REPOSITORY / "pyproject.toml").read_text(), re.MULTILINE)
    assert set(extras.strip("[]").split(",")) <= set(known)
    assert 'ARG EXTRAS=""' in (REPOSITORY / "Containerfile").read_text()
