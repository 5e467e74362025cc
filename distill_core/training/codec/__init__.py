"""How a codec is learned from sounds."""
