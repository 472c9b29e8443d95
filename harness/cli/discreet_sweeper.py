"""Hydra's basic sweeper without the passwords that it writes to ``multirun.yaml``."""

from __future__ import annotations

from collections.abc import Sequence

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf

from harness.utils.redaction import redacted_config


class DiscreetSweeper(BasicSweeper):
    """Sweeper that writes the configuration without secrets and launches jobs with the complete one."""

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Keep the configuration to validate jobs with, and a copy to write."""
        super().setup(hydra_context=hydra_context, task_function=task_function, config=config)
        self._with_secrets = config
        self.config = OmegaConf.create(
            redacted_config(OmegaConf.to_container(config, resolve=False)),
            flags={"struct": True, "allow_objects": True},
        )

    def validate_batch_is_legal(self, batch: Sequence[Sequence[str]]) -> None:
        """Compose each job of ``batch`` once, as it will be composed."""
        written, self.config = self.config, self._with_secrets
        try:
            super().validate_batch_is_legal(batch)
        finally:
            self.config = written
