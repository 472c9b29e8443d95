"""Names of controls in the field: words of a type column, names of DMSO, ids of JUMP."""

from __future__ import annotations

import re

from harness.core.wells_schema import EMPTY, NEGCON, POSCON, TREATED
from harness.utils.text import normalize_id

CONTROL = "control"  # of a kind that the word does not say
# Values of pert_type and control_type: JUMP-Target-1 and CPJUMP1 (trt, control, negcon, poscon_cp, poscon_diverse),
# lincs-cell-painting (trt, control), L1000 (trt_cp, ctl_vehicle, trt_poscon), Image Data Resource (negative control).
# ``control`` alone does not say which kind.
TYPES: dict[str, str] = {
    "negcon": NEGCON, "neg_con": NEGCON, "negative control": NEGCON, "negative": NEGCON, "ctl_vehicle": NEGCON,
    "vehicle": NEGCON, "DMSO": NEGCON,
    "poscon": POSCON, "pos_con": POSCON, "poscon_cp": POSCON, "poscon_diverse": POSCON, "poscon_orf": POSCON,
    "poscon_crispr": POSCON, "positive control": POSCON, "positive": POSCON, "trt_poscon": POSCON,
    "trt": TREATED, "trt_cp": TREATED, "treated": TREATED, "treatment": TREATED, "compound": TREATED,
    "sample": TREATED,
    "empty": EMPTY,
    "control": CONTROL, "ctl": CONTROL,
}  # fmt: skip
# PubChem CID 679; concentrations and punctuation beside the name do not count (DMSO_0.1%).
DMSO_NAMES = ("DMSO", "dimethyl sulfoxide", "dimethyl sulphoxide", "methyl sulfoxide")
DMSO_INCHIKEY = "IAZDPXIOMUYVGZ-UHFFFAOYSA-N"
# jump-cellpainting/datasets, metadata/perturbation_control.csv: the same on every plate, whatever was perturbed there.
JCP2022: dict[str, str] = {
    "JCP2022_033924": NEGCON,  # DMSO
    "JCP2022_800001": NEGCON,  # no guide
    "JCP2022_800002": NEGCON,  # non-targeting guide
    "JCP2022_915128": NEGCON,  # BFP
    "JCP2022_915129": NEGCON,  # HcRed
    "JCP2022_915130": NEGCON,  # luciferase
    "JCP2022_915131": NEGCON,  # LacZ
    "JCP2022_037716": POSCON,  # AMG900
    "JCP2022_025848": POSCON,  # dexamethasone
    "JCP2022_046054": POSCON,  # FK-866
    "JCP2022_035095": POSCON,  # LY2109761
    "JCP2022_064022": POSCON,  # NVS-PAK1-1
    "JCP2022_050797": POSCON,  # quinidine
    "JCP2022_012818": POSCON,  # TC-S-7004
    "JCP2022_085227": POSCON,  # aloxistatin
    "JCP2022_805264": POSCON,  # PLK1
    "JCP2022_915132": POSCON,  # eGFP
    "JCP2022_999999": EMPTY,
}


def type_role(value: object) -> str:
    """Return the role that a value of a type column means, or ``""`` if it is none of :data:`TYPES`."""
    return _TYPES.get(_plain(normalize_id(value)), "")


def compound_role(value: object) -> str:
    """Return the role of the control with this name or id, or ``""`` if it is no control."""
    text = normalize_id(value)
    return JCP2022.get(text) or (NEGCON if is_dmso(text) else "")


def is_dmso(value: object) -> bool:
    """Return whether a name is one of DMSO's; text before a colon (``nan:DMSO``) is another id, not the name."""
    text = normalize_id(value).rpartition(":")[2].strip()
    return text == DMSO_INCHIKEY or re.sub(r"[^a-z]", "", text.lower()) in _DMSO


def _plain(text: str) -> str:
    return re.sub(r"[\s_-]+", " ", text.strip().lower())


_TYPES = {_plain(value): role for value, role in TYPES.items()}
_DMSO = {re.sub(r"[^a-z]", "", name.lower()) for name in DMSO_NAMES}
