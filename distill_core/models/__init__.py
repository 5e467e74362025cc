"""The codecs, the priors, and the file that holds them."""
