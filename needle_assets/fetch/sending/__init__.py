"""Tells others of candidates: what a message says, and how each destination takes it. Knows no database."""
