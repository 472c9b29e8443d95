"""Spike-in experiments: known effects that are added to known wells before normalization."""
