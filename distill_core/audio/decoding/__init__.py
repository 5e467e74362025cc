"""A file's bytes to samples: which decoder takes it, and what its header is worth."""
