"""Which rows belong together: splits, cross-matched samples, scaling (paper, sections 5 and 6). Pure: arrays in, arrays out."""
