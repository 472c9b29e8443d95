"""Write normalized profiles to files: ``python -m harness.apply``."""
