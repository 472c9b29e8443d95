"""Schemas of settings: read from the constructors' annotations, checked before anything is read or computed.

Pure and light: nothing here imports a member, numpy, pandas or Hydra.
"""
