"""Recognize the columns of embeddings and components by their names: emb_0 ... emb_511, PC1, all_emb_17."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable

_NUMBERED = re.compile(r"(?P<stem>.*?)[_.\- ]*(?P<number>\d+)", re.DOTALL)
_LAST_WORDS = (
    "feature", "features", "feat", "feats", "emb", "embs", "embedding", "embeddings", "latent", "latents", "pc", "pca",
    "ica", "cp", "harmony", "scanorama",
)  # fmt: skip
_NETWORKS = (
    "efficientnet", "resnet", "densenet", "inception", "vgg", "convnext", "swin", "vit", "dino", "scdino", "mae",
    "clip", "simclr", "moco", "byol", "vae", "autoencoder", "deepprofiler", "cpcnn", "cnn", "openphenom", "cytoself",
    "subcell",
)  # fmt: skip
_FEWEST = {"x": 5, "z": 3}  # x1, x2 and z1 may as well be places
_FEWEST_OTHERWISE = 2
_FEWEST_OF_ANY_NAME = 64  # so many numbered columns of one name are an embedding, whatever the name


def embedding_columns(names: Iterable[str]) -> set[str]:
    """Return those of ``names`` that number the dimensions of an embedding."""
    families: defaultdict[str, dict[int, str]] = defaultdict(dict)
    for name in names:
        match = _NUMBERED.fullmatch(name)
        if match is not None:
            families[match["stem"]][int(match["number"])] = name
    return {
        name for stem, family in families.items() if len(family) >= _fewest(stem) for name in family.values()
    }  # fmt: skip


def is_embedding_name(name: str) -> bool:
    """Return whether ``name`` is that of a dimension of an embedding even if it stands alone, e.g. ``PC_7``."""
    match = _NUMBERED.fullmatch(name)
    return match is not None and _fewest(match["stem"]) == _FEWEST_OTHERWISE


def _fewest(stem: str) -> int:
    words = [word for word in re.split(r"[\W_]+", stem.lower()) if word]
    if len(words) == 1 and words[0] in _FEWEST:
        return _FEWEST[words[0]]
    if words and (words[-1] in _LAST_WORDS or words[0] == "cp" or any(word.startswith(_NETWORKS) for word in words)):
        return _FEWEST_OTHERWISE
    return _FEWEST_OF_ANY_NAME
