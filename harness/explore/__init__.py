"""Maps to explore: one HTML file with a WebGL scatter of wells or images, needing neither network nor server."""

from harness.explore.page import page
from harness.explore.points import View

__all__ = ["View", "page"]
