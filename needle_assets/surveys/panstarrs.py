"""Pan-STARRS 1: the survey whose catalogue the hosts come from. It sends no packets."""

# Where A_lambda / A_V is taken, from blue to red (NEEDLE 1.0 and 2.0, for the law of Fitzpatrick 1999).
EXTINCTION_WAVELENGTH_ANGSTROM = {"g": 4900.12, "r": 6241.27, "i": 7563.76, "z": 8690.10, "y": 9644.63}
HOST_BANDS = tuple(EXTINCTION_WAVELENGTH_ANGSTROM)
