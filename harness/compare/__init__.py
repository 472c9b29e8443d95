"""Comparison of stored runs; runs nothing."""
