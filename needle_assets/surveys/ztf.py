"""ZTF as constants: stamps, bands, limits, class labels. Nothing here computes and nothing here is a setting."""

NAME = "ztf"

STAMP_SIZE_PX = 60
CUTOUT_SIZE_PX = 63
PIXEL_SCALE_ARCSEC = 1.01
MJD_OFFSET = 2400000.5

BAND_OF_FID = {1: "g", 2: "r", 3: "i"}
FIT_BANDS = ("g", "r")

# Extinction A_lambda / A_V is taken at these effective wavelengths [angstrom] (NEEDLE 1.0 and 2.0; Fitzpatrick 1999).
ZTF_EXTINCTION_WAVELENGTH_ANGSTROM = {"g": 4829.50, "r": 6463.75, "i": 7883.0}
PS1_EXTINCTION_WAVELENGTH_ANGSTROM = {"g": 4900.12, "r": 6241.27, "i": 7563.76, "z": 8690.10, "y": 9644.63}

DETECTION_LIMIT_MAG = 20.5

SN, SLSN, TDE = "SN", "SLSN-I", "TDE"
LABELS = (SN, SLSN, TDE)
