"""Whether new sound is a copy of the sounds that a prior learned from."""
