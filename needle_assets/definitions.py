"""Everything that Dagster loads: assets, checks, jobs, sensor and schedules, and the one resource."""

import dagster as dg

from needle_assets.home import Home
from needle_assets.orchestration.automation import landing_sensor, nightly_schedule
from needle_assets.orchestration.graph import job_specs, landing_specs, stage_assets
from needle_assets.orchestration.jobs.fetching import fetch_assets
from needle_assets.orchestration.jobs.nightly import nightly_job
from needle_assets.orchestration.jobs.refresh import refresh_job
from needle_assets.orchestration.jobs.training import train_job, training_schedule
from needle_assets.orchestration.keys import LANDED
from needle_assets.orchestration.records.instance import prepare_instance
from needle_assets.orchestration.records.landing_files import landing_checks
from needle_assets.orchestration.running import RefreshRequest, needle


@dg.definitions
def definitions() -> dg.Definitions:
    """All definitions of the home that NEEDLE_HOME names."""
    home = Home.from_environment()
    prepare_instance(home)
    refresh, night, train = refresh_job(), nightly_job(), train_job()
    return dg.Definitions(
        assets=[*fetch_assets(), *landing_specs(), *stage_assets(), *job_specs()],
        asset_checks=landing_checks(LANDED),
        jobs=[refresh, night, train],
        sensors=[landing_sensor(refresh, home)],
        schedules=[nightly_schedule(night, home), training_schedule(train, home)],
        resources={"needle": needle, "request": RefreshRequest()},
        executor=dg.in_process_executor,
    )
