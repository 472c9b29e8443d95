"""Contact sheets of the raw images of chosen wells: ``python -m harness.montage``."""
