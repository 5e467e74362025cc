"""The flows from a click to the Session: they ask if something could be lost, then call it."""
