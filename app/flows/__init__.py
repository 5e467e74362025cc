"""What a click does: asks where something could be lost, then calls the Session."""
