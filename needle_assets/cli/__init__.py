"""The command ``needle``: what it is called with, what each verb does, the demonstration. No Dagster until there is work."""
