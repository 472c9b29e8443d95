"""Jobs of a sweep on Ray, as a plugin of Hydra: ``hydra/launcher=ray``."""
