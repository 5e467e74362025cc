"""The training of the KLT codec: its settings, its fit in closed form, and how a network refines it."""
