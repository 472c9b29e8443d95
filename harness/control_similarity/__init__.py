"""How much a well looks like a control well, by fits to control wells that never read the well that they score."""
