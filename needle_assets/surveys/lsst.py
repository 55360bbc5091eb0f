"""Rubin's survey, so far as a picture shows its depth beside that of another."""

# 5 sigma depth of one visit in r (Ivezic et al. 2019).
DETECTION_LIMIT_MAG = 24.5
