"""Registration of this project's Hydra plugins."""

from __future__ import annotations

from hydra.core.plugins import Plugins


def register_plugins() -> None:
    """Register the sweeper and the launcher of this project.

    Hydra instantiates plugins of the package ``hydra_plugins`` only, which all plugins of all projects share; those
    registered here need no folder of that name.
    """
    plugins = Plugins.instance()
    # Only now: while it searches plugins, Hydra executes its own modules once more, which makes new classes of theirs.
    from harness.cli.discreet_sweeper import DiscreetSweeper
    from harness.cli.launchers.ray import RayLauncher

    plugins.register(DiscreetSweeper)
    plugins.register(RayLauncher)
    plugins.is_in_toplevel_plugins_module = _is_trusted  # type: ignore[assignment, method-assign]


def _is_trusted(path: str) -> bool:
    return path.startswith("harness.cli.") or Plugins.is_in_toplevel_plugins_module(path)
