"""Light curves: cleaning, Gaussian processes, resampling, redshifting, features (paper, section 4). Arrays in, arrays out."""
