"""Days as surveys count them: Julian dates in packets, Modified Julian Dates in the warehouse."""

import datetime as dt

MJD_OFFSET = 2400000.5
MJD_DAY_0 = dt.date(1858, 11, 17)
SECONDS_PER_DAY = 86400.0
