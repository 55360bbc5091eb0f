"""What instruments and catalogues can give, for property tests; what they cannot give is the business of ``fuzz``."""

from hypothesis import strategies as st

SECONDS_PER_DAY = 86_400


def days(at_most: int) -> st.SearchStrategy[float]:
    """Times from 0 to so many days [d], to the second: no exposure is told apart more finely."""
    return st.integers(0, at_most * SECONDS_PER_DAY).map(lambda seconds: seconds / SECONDS_PER_DAY)


def whole_mjd(span_days: int = 0) -> st.SearchStrategy[int]:
    """First night of something that lasts ``span_days`` [MJD]."""
    return st.integers(40_000, 100_000 - span_days)


MAG = st.floats(5.0, 30.0)
MAG_ERR = st.floats(1e-4, 3.0)
BAND = st.sampled_from("gri")
REDSHIFT = st.floats(0.001, 2.0)
RA_DEG = st.floats(0.0, 360.0, exclude_max=True, allow_subnormal=False)
DEC_DEG = st.floats(-90.0, 90.0, allow_subnormal=False)
