"""The jobs: refresh, the night with its services, training."""
