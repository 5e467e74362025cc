"""The window, which shows the engine's work and knows no maths."""
