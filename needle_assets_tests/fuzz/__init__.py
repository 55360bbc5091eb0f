"""Bad input by named kinds, many cases each: accepted or refused with a reason, never a crash, a hang or a written file."""
