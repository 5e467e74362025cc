"""The training of a prior on codes."""
