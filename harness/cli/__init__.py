"""Commands: from a command line by Hydra's configuration to a recorded evaluation."""
