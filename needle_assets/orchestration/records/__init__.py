"""What Dagster is told and where it keeps that: events, their storage, the instance, pictures."""
