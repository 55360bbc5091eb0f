"""Fills a landing folder from live services. The only code that talks to the network."""
