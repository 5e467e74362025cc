"""The facts of a model file, to look at."""
