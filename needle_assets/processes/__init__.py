"""Other processes that compute, what becomes of those that die, and how all of them are asked to stop."""
