"""The classes that NEEDLE tells apart, in the order of its probabilities."""

SN, SLSN, TDE = "SN", "SLSN-I", "TDE"
LABELS = (SN, SLSN, TDE)
