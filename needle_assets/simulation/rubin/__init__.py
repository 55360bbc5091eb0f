"""Rubin's part of the simulated sky: its cadence by band, its depth, its small stamps and its packets."""
