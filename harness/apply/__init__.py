"""Normalized profiles as files: ``python -m harness.apply``."""
