"""Mutation testing: is a test red when a line of the product is wrong? See docs/testing.md."""
