"""The Python side of the warehouse, and the only Python that speaks SQL."""
