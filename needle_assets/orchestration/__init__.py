"""Everything Dagster: assets, checks, jobs, sensor, schedule. What they do is in ``refresh``; here it is shown and started."""
