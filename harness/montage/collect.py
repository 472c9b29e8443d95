"""Read all images of a sheet and record the status of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import pandas as pd

from harness.core.arrays import Floats
from harness.core.exceptions import InputError
from harness.montage.image import READ, REFUSED, Channel, read_channel
from harness.montage.template import Refused, Template

COLUMNS = ["plate", "well", "site", "channel", "status", "reason", "size", "depth", "path"]


@dataclass
class Tile:
    """One site of one well: its metadata, the channels that were read, and the status of the others."""

    section: str
    plate: str
    well: str
    site: str
    compound: str = ""
    score: str = ""
    images: dict[str, Floats] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)  # channel: status


def collect_tiles(
    wells: pd.DataFrame, template: Template, *, channels: Sequence[str], sites: Sequence[str], longest: int
) -> tuple[list[Tile], pd.DataFrame]:
    """Return tiles in the order of ``wells`` and sites, and a row per image (:data:`COLUMNS`).

    ``wells``: text columns ``section, plate, well`` and optionally ``batch, compound, score``.

    Raises
    ------
    InputError : no image at all could be read.
    """
    tiles, rows = [], []
    for row in wells.fillna("").to_dict("records"):
        for site in sites:
            names = {key: row.get(key, "") for key in ("section", "plate", "well", "compound", "score")}
            tile = Tile(site=site, **names)
            for channel in channels:
                values = {"plate": row["plate"], "well": row["well"], "batch": row.get("batch", "")}
                image, path = _read(template, {**values, "site": site, "channel": channel}, longest)
                if image.pixels is None:
                    tile.absent[channel] = image.status
                else:
                    tile.images[channel] = image.pixels
                about = [image.status, image.reason, image.size, image.depth, path]
                rows.append([row["plate"], row["well"], site, channel, *about])
            tiles.append(tile)
    table = pd.DataFrame(rows, columns=COLUMNS)
    if not (table["status"] == READ).any():
        first = table.iloc[0]
        raise InputError(
            f"images.template={template.text!r}: none of {len(table)} images could be read; the first, "
            f"{first['path'] or 'of plate ' + repr(first['plate'])}: {first['status']} ({first['reason']})"
        )
    return tiles, table


def _read(template: Template, values: dict[str, str], longest: int) -> tuple[Channel, str]:
    try:
        path = template.path(values)
    except Refused as reason:
        return Channel(REFUSED, reason=str(reason)), ""
    return read_channel(path, longest), str(path)
