"""Alerts as they happen: ``kafka`` reads a broker's topics, ``delivery`` is what becomes of one message on the disk."""
