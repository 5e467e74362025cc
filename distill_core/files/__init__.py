"""Files from strangers, and files that are never lost; knows no network and no format."""
