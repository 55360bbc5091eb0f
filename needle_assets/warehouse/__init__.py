"""The Python side of the warehouse, and the only Python that speaks SQL, as a test holds."""
