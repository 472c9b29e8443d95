"""From a Hydra configuration to its evaluation: nothing heavy is imported before the configuration was checked."""

from __future__ import annotations

from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, OmegaConf

from harness.cli.command import command
from harness.cli.messages import CONF, listed
from harness.cli.notices import say_once
from harness.cli.spaces import tuning_node
from harness.errors import InputError
from harness.program.interruption import held_back
from harness.program.run import BAD_INPUT
from harness.resume.tally import sentence, tally

_CHAIN = "harness.norm.chain.Chain"
_EXAMPLE = "dmso_within_then_sphering.yaml there"


def chosen_norm(cfg: DictConfig) -> str:
    """Name of the chosen normalization; a list of names, ``+norm=[a,b]``, becomes a chain in ``cfg``.

    Raises
    ------
    InputError : none was chosen, or settings of a chain that is given as names.
    """
    if OmegaConf.is_missing(cfg, "norm"):
        raise InputError(f"no normalization was chosen; add +norm=NAME with one of {listed('norm')}")
    words = [OverridesParser.create().parse_override(word) for word in HydraConfig.get().overrides.task]
    names = next((word.value() for word in words if word.key_or_group == "norm"), None)
    if not isinstance(names, list):
        return str(HydraConfig.get().runtime.choices["norm"])
    if settings := [str(word.key_or_group) for word in words if word.key_or_group.startswith("norm.")]:
        raise InputError(
            f"{settings[0]}: which step of {names}? write the chain as conf/norm/NAME.yaml, see {_EXAMPLE}"
        )
    steps = [OmegaConf.load(CONF / "norm" / f"{name}.yaml") for name in names]  # Hydra has merged them into one
    OmegaConf.update(cfg, "norm", {"_target_": _CHAIN, "steps": steps}, merge=False, force_add=True)
    return "+".join(names)


def evaluate_config(cfg: DictConfig) -> None:
    """Evaluate and record what ``cfg`` describes, unless that is done already."""
    name = chosen_norm(cfg)
    tuning_node(cfg)  # fills in search spaces: a part of what is asked for
    with held_back():
        from harness.cli.screen_key import screen_key
    data = screen_key(cfg)
    with held_back():
        from harness.cli.evaluation import record_evaluation
    record_evaluation(cfg, name, data)


def cli() -> int:
    """``python -m harness``: see :func:`command`; of a sweep, what became of its evaluations is said at the end."""
    try:
        with tally() as counts:
            status = command("config", evaluate_config)
    except InputError as error:  # no room for temporary files
        say_once(f"harness: {error}")
        return BAD_INPUT
    if counts.total() > 1:
        print(sentence(counts))
    return status
