"""Copies of the database file: what readers get, what is kept to go back to, and what must not be lost."""
