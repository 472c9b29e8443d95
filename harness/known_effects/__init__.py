"""Known effects: a known score of compounds, and how strong their profiles are."""
