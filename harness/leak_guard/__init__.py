"""Refuse features that are labels or counters, and name those that identify a plate, batch, compound or well.

A label that was stored as a number, a saved index or a counter of images gives a perfect score on a screen without any
effect. The guard looks at every feature alone, on raw wells, before anything is trained.
"""

from harness.leak_guard.guard import LEVELS, Leak, LeakReport, check_leaks, check_level, find_leaks

__all__ = ["LEVELS", "Leak", "LeakReport", "check_leaks", "check_level", "find_leaks"]
