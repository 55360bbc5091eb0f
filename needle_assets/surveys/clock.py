"""Days as surveys count them: Julian dates in packets, Modified Julian Dates in the warehouse."""

MJD_OFFSET = 2400000.5
