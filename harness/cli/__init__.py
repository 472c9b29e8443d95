"""From a command line to what it asks for: the only package that reads Hydra configurations, but for entry points."""
