"""The alert brokers: one module for each, and what they share. Nothing here knows another broker's requests."""
