"""A file's bytes to samples: the choice of its decoder, and the check of its header."""
