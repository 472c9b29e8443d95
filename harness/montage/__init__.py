"""Contact sheets of the raw images of chosen wells."""
