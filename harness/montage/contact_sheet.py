"""Write a contact sheet of the raw images of chosen wells, and the table of its images."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from omegaconf import DictConfig, OmegaConf

from harness.cli.output_targets import check_targets
from harness.core.exceptions import InputError
from harness.montage.collect import collect_tiles
from harness.montage.compose import colours_of, display_range
from harness.montage.image import READ
from harness.montage.sheet import draw_sheet
from harness.montage.template import Template
from harness.montage.wells import listed_wells, recorded_wells, select_run
from harness.norm.engine.serialization import replacing
from harness.utils.spreadsheet_csv import spreadsheet_csv
from harness.utils.text import as_list as as_list

MOST = 1000  # tiles: nobody looks at a larger sheet


def write_contact_sheet(cfg: DictConfig) -> pd.DataFrame:
    """Write the sheet (PNG) and the table of its images (CSV next to it); print which images were not read.

    Returns the table: plate, well, site, channel, status, reason, size, depth, path.

    Raises
    ------
    InputError : unusable settings, no image that can be read.
    """
    out = Path(cfg.out)
    targets = [out, out.with_suffix(".csv")]
    _check(cfg, targets)
    channels = [str(name) for name in as_list(OmegaConf.to_object(cfg.images.channels))]
    template = Template(str(cfg.images.template), channels)
    palette = cfg.images.colours and [str(name) for name in cfg.images.colours]
    colours = dict(zip(channels, colours_of(channels, palette), strict=True))
    sites = [str(site) for site in cfg.images.sites] if "site" in template.fields else [""]
    wells, source = _wells(cfg)
    if len(wells) * len(sites) > MOST:
        raise InputError(f"{len(wells)} wells x {len(sites)} sites are over {MOST:,} tiles; lower n, or list fewer")
    tiles, table = collect_tiles(wells, template, channels=channels, sites=sites, longest=cfg.size)
    low, high = cfg.images.percentiles
    pixels = {name: [tile.images[name] for tile in tiles if name in tile.images] for name in channels}
    scale = {name: display_range(images, (low, high)) for name, images in pixels.items() if images}
    report = _report(table)
    notes = [f"black to full colour: percentiles {low:g} to {high:g} of each channel over the whole sheet", *report]
    title = f"{len(tiles)} tiles of {len(wells)} wells{source}"
    picture = draw_sheet(
        tiles, title=title, notes=notes, colours=colours, scale=scale, size=cfg.size, columns=cfg.columns
    )
    with replacing(targets[0]) as png, replacing(targets[1]) as csv:
        with png.open("wb") as file:
            picture.save(file, format="PNG")
        spreadsheet_csv(table, csv)
    print(f"{out}: {title}, {picture.width} x {picture.height} pixels; images in {targets[1]}")
    print("\n".join(report))
    return table


def _check(cfg: DictConfig, targets: list[Path]) -> None:
    if cfg.images.template is None or not cfg.images.channels:
        raise InputError(
            "say where the images are: images.template='.../{plate}/{well}_s{site}_{channel}.tif' "
            "images.channels=[DNA,actin]"
        )
    if len(set(cfg.images.channels)) < len(cfg.images.channels):
        raise InputError(f"images.channels={list(cfg.images.channels)}: a channel is named twice")
    low, high = cfg.images.percentiles
    if not 0 <= low < high <= 100:
        raise InputError(f"images.percentiles=[{low},{high}]: expected two rising numbers from 0 to 100")
    for name, least in (("size", 32), ("columns", 1), ("n", 1)):
        if cfg[name] < least:
            raise InputError(f"{name}={cfg[name]}: expected at least {least}")
    if targets[0].suffix.lower() != ".png":
        raise InputError(f"out={cfg.out}: expected a name that ends with .png")
    check_targets(targets, force=cfg.force)


def _wells(cfg: DictConfig) -> tuple[pd.DataFrame, str]:
    """Return the wells and, in words, their source."""
    if cfg.wells:
        return listed_wells([str(entry) for entry in cfg.wells]), ""
    from harness.tracking.tracking import Tracking

    tracking = Tracking(uri=cfg.tracking.uri, experiment=cfg.tracking.experiment or "")
    if cfg.tracking.experiment is None:
        tracking.experiment = tracking.only_experiment()
    tables = [str(name) for name in as_list(OmegaConf.to_object(cfg.tables))]
    key, run = select_run({record.run.info.run_id: record for record in tracking.records()}, cfg.run, tables)
    return recorded_wells(run, tables, n=cfg.n, score=cfg.score), f" of run {run.name} ({key[:8]})"


def _report(table: pd.DataFrame) -> list[str]:
    """Return lines: how many images were read and not, why the first of each status was not, and mixed depths."""
    counts = table["status"].value_counts()
    lines = [f"{counts.get(READ, 0)} of {len(table)} images read"]
    for status, images in table[table["status"] != READ].groupby("status", sort=True):
        first = images.iloc[0]
        lines.append(f"{len(images)} {status}, e.g. {first['path'] or first['plate']!s}: {first['reason']}")
    depths = table.loc[table["status"] == READ, "depth"].value_counts()
    if len(depths) > 1:
        mixed = ", ".join(f"{n} {depth}" for depth, n in depths.items())
        lines.append(f"images of different depths share one scale and cannot be compared: {mixed}")
    return lines
