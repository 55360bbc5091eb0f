"""Pictures: arrays in, matplotlib figures out. Nothing here reads the warehouse."""
