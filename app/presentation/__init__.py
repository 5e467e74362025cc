"""What the window shows, as pure functions of the state, so that tables can test them."""
