"""What is dear to make and is kept on disk: made once, by one process at a time, within a bound."""

from harness.cache.damage import DamagedStoreError
from harness.cache.entries import Cache

__all__ = ["Cache", "DamagedStoreError"]
