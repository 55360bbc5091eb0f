"""Light curves: cleaning, Gaussian processes, resampling, redshifting, features (paper, section 4). Pure: arrays in, arrays out."""
