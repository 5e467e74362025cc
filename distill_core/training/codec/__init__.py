"""The training of a codec on sounds."""
