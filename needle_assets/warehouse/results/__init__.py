"""Models, scores and nights."""
