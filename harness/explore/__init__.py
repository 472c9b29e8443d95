"""Maps to explore: one HTML file with a WebGL scatter of wells or images, needing neither network nor server."""
