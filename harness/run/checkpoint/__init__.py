"""What was computed before and need not be computed again."""
