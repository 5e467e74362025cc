"""The training of codecs and priors."""
