"""Stamps: quality, restoration, masking, augmentation (paper, section 3). Pure: arrays in, arrays out."""
