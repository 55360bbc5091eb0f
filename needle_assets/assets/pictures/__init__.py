"""Pictures of objects, from rows to matplotlib figures."""
