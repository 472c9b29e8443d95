"""Parameters of models, chosen inside the training wells of a fold."""
