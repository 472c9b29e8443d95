"""The layers of the packages: written down once; docs/architecture.md draws them."""

from __future__ import annotations

LAYERS = (  # from the top; packages of one layer do not import each other
    ("__main__", "apply", "inspect", "montage", "sync"),
    ("cli",),
    ("run", "compare"),
    ("figure",),
    ("audit", "control_similarity"),
    ("explore", "known_effects", "tuning"),
    ("baseline", "plotting", "scoring"),
    ("batch", "leak_guard", "model", "norm", "task"),
    ("data",),
    ("program", "split", "store", "tracking"),
    ("metric", "numerics", "utils"),
    ("core", "settings"),
)
