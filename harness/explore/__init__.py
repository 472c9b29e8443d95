"""Interactive maps: one HTML file with a WebGL scatter of wells or images, without network or server."""
