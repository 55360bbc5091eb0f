"""Angles on the sky in SQL."""


def separation_deg(ra: str, dec: str, to_ra: str, to_dec: str) -> str:
    """The angle between two directions that four expressions give [deg], as an expression: haversine, exact for small angles."""
    return (
        f"degrees(2 * asin(least(1, sqrt(pow(sin(radians(({dec}) - ({to_dec})) / 2), 2) "
        f"+ cos(radians({dec})) * cos(radians({to_dec})) * pow(sin(radians(({ra}) - ({to_ra})) / 2), 2)))))"
    )
