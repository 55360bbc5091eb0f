"""Everything that Dagster loads: assets, checks, the job, sensor and schedule, and the one resource."""

import dagster as dg

from needle_assets.home import Home
from needle_assets.orchestration.automation import landing_sensor, nightly_schedule
from needle_assets.orchestration.graph import landing_specs, stage_assets
from needle_assets.orchestration.instance import prepare_instance
from needle_assets.orchestration.jobs import refresh_job
from needle_assets.orchestration.running import RefreshRequest, needle


@dg.definitions
def definitions() -> dg.Definitions:
    """All definitions of the home that NEEDLE_HOME names."""
    home = Home.from_environment()
    prepare_instance(home)
    refresh = refresh_job()
    return dg.Definitions(
        assets=[*landing_specs(), *stage_assets()],
        jobs=[refresh],
        sensors=[landing_sensor(refresh, home)],
        schedules=[nightly_schedule(refresh, home)],
        resources={"needle": needle, "request": RefreshRequest()},
        executor=dg.in_process_executor,
    )
