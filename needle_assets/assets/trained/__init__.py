"""Models that are trained: which there shall be, from rows to tasks for workers, and the rows that come back."""
