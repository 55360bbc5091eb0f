"""A landing folder: which files lie in it, what is in them, and what of it cannot be read. Stores nothing."""
