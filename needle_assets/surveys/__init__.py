"""What a survey is, as data: bands, wavelengths, pixels, depth, names. Nothing here computes."""
