"""New sounds from a prior."""
