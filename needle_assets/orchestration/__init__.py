"""Everything Dagster: assets, checks, jobs, sensor, schedule. What they do is in ``pipeline``; here it is shown and started."""
