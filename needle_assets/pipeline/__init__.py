"""What a refresh and a training are, without Dagster: look, plan, compute, store, tell, publish."""
