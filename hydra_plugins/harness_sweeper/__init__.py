"""Sweeps as Hydra's own, with a record of them that holds no secrets: ``hydra/sweeper=discreet``."""
