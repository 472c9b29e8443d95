"""The audit of a run: one check per file, and the verdict that summarizes what they find."""
