"""The kept epochs of a training side by side."""
