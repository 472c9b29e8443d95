"""Resolve the chosen normalization, by its name or as a chain of names."""

from __future__ import annotations

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from harness.cli.check_settings import groups
from harness.cli.literal_overrides import parse_override, task_overrides
from harness.core.exceptions import InputError
from harness.settings.members import Groups
from harness.settings.problem import hint

_CHAIN = "harness.norm.chain.Chain"
_EXAMPLE = "dmso_within_then_sphering.yaml there"


def resolve_norm(cfg: DictConfig) -> str:
    """Return the name of the chosen normalization; a list of names, ``+norm=[a,b]``, becomes a chain in ``cfg``.

    Members are searched in ``conf/`` and in the folders of ``--config-dir``.

    Raises
    ------
    InputError : none was chosen, or a setting of a chain that is a list of names.
    """
    members = groups()
    if "norm" not in cfg or OmegaConf.is_missing(cfg, "norm"):
        listed = ", ".join(members.members("norm"))
        raise InputError(f"no normalization was chosen; add +norm=NAME with one of {listed}")
    words = [word for text in task_overrides() if (word := parse_override(text)) is not None]
    names = next((word.value() for word in reversed(words) if word.key_or_group == "norm"), None)
    if not isinstance(names, list):
        return str(HydraConfig.get().runtime.choices.get("norm", "norm"))
    if settings := [str(word.key_or_group) for word in words if word.key_or_group.startswith("norm.")]:
        raise InputError(
            f"{settings[0]}: which step of {names}? write the chain as conf/norm/NAME.yaml, see {_EXAMPLE}"
        )
    steps = [_step(str(name), members) for name in names]  # Hydra has merged them into one
    OmegaConf.update(cfg, "norm", {"_target_": _CHAIN, "steps": steps}, merge=False, force_add=True)
    return "+".join(map(str, names))


def _step(name: str, members: Groups) -> DictConfig:
    path = members.file("norm", name)
    if path is None:
        names = members.members("norm")
        raise InputError(f"norm: there is no {name!r}; {hint(name, names)}choose one of {', '.join(names)}")
    node = OmegaConf.load(path)
    assert isinstance(node, DictConfig)
    return node
