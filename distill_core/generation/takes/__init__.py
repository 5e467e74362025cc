"""Takes as files: exported under a name with tags, and kept on the shelf of their model."""
