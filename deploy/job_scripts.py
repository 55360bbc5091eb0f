"""Writes the scripts that start a Dask worker in a batch system, as dask-jobqueue makes them: `python deploy/job_scripts.py FOLDER`."""

import sys
from pathlib import Path

from dask_jobqueue.htcondor import HTCondorJob
from dask_jobqueue.slurm import SLURMJob

SCHEDULER = "tls://head.example.org:8786"
FILES = "/home/me/needle"
WORKER = {
    "scheduler": SCHEDULER,
    "name": "needle",
    "python": "python",
    "cores": 1,
    "processes": 1,
    "memory": "4GB",
    "job_script_prologue": ["export POLARS_MAX_THREADS=1 OMP_NUM_THREADS=1"],
    "worker_extra_args": ["--tls-ca-file", f"{FILES}/ca.pem", "--tls-cert", f"{FILES}/own.pem", "--tls-key", f"{FILES}/own.key"],
}


def scripts() -> dict[str, str]:
    """The text of each script by its name. A script starts many workers, so that none of them has a name of its own."""
    made = {
        "slurm.sh": SLURMJob(**WORKER, walltime="08:00:00").job_script(),
        "htcondor.sub": HTCondorJob(**WORKER, disk="4GB").job_script(),
    }
    return {name: text.replace(f" --name {WORKER['name']}", "").strip() + "\n" for name, text in made.items()}


if __name__ == "__main__":
    for name, text in scripts().items():
        (Path(sys.argv[1]) / name).write_text(text, encoding="utf-8")
