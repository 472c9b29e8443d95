"""Stored runs side by side; nothing is ever run again."""
