"""Pictures of what takes have in common with known sounds."""
