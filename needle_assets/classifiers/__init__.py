"""Networks, losses, training and metrics (paper, section 6). Pure PyTorch and numpy: arrays in, arrays out."""
