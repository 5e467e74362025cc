"""What a training reached, on disk until its result is saved."""
