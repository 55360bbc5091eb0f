"""A simulated sky with known truth, written as a landing folder. For demonstration and measurement, never for training on real data."""
