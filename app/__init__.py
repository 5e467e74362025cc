"""The window: shows what the engine does, and knows no maths."""
