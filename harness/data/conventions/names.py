"""Names that the field gives to the columns of a screen."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from functools import cache

from harness.core.wells_schema import MAPPABLE

# pycytominer and JUMP write Metadata_, CellProfiler Image_Metadata_; other tables write none.
PREFIXES = ("Metadata_", "Image_Metadata_", "")
# Words of each column, the first that occurs counts. Sources: pycytominer (Plate, Well, Site, Count_Cells,
# Object_Count), jump-cellpainting/datasets (Plate, Well, Batch, Source, JCP2022, InChIKey),
# broadinstitute/lincs-cell-painting (broad_sample, pert_iname, mmoles_per_liter, dose_recode, Assay_Plate_Barcode,
# well_position, Batch_Number), CellProfiler's exports (Plate, Well, Site, Compound, Concentration, Count_Cells),
# annotations of the Image Data Resource (Plate, Well, Compound Name, Compound InChIKey).
WORDS: dict[str, tuple[str, ...]] = {
    "plate": ("Plate", "Assay_Plate_Barcode", "Plate_Barcode", "Barcode", "Plate_ID", "Plate_Name"),
    "well": ("Well", "Well_Position", "Well_ID", "Well_Name"),
    "site": ("Site", "Field", "FOV", "Field_ID"),
    "batch": ("Batch", "Batch_Number", "Batch_ID", "Batch_Name"),
    "compound": (
        "broad_sample", "JCP2022", "pert_iname", "InChIKey", "Compound", "Compound_Name", "Compound_ID",
        "Compound_InChIKey", "Treatment", "Perturbation", "Drug",
    ),
    "dose": (
        "mmoles_per_liter", "Concentration", "Dose", "dose_recode", "micromolar", "Concentration_uM", "Dose_uM",
    ),
    "cell_count": ("Count_Cells", "Object_Count", "Cell_Count", "Cells_Count", "Count_Nuclei"),
}  # fmt: skip
SOURCE = ("Source",)  # laboratory, in JUMP
SOLVENT = ("Solvent",)
ROLE = ("control_type", "pert_type")  # JUMP-Target writes both; the first says more


@cache
def spellings(word: str) -> tuple[str, ...]:
    """Return ``word`` as tables write it: in small and in capital letters, with ``_``, a blank or nothing between."""
    cases = (word, word.lower(), word[0].lower() + word[1:], word.title(), word.upper())
    return tuple(dict.fromkeys(case.replace("_", between) for between in ("_", "", " ") for case in cases))


@cache
def names(words: tuple[str, ...]) -> tuple[str, ...]:
    """Return every name of a column in the order in which they count: prefixes, then words, then spellings."""
    return tuple(dict.fromkeys(p + name for p in PREFIXES for word in words for name in spellings(word)))


def present(words: tuple[str, ...], columns: Collection[str]) -> list[str]:
    """Return the names of ``words`` that are among ``columns``, in the order in which they count."""
    return [name for name in names(words) if name in columns]


def candidates(columns: Collection[str], mapped: Mapping[str, str]) -> dict[str, list[str]]:
    """Return the candidate columns of each standard name: the mapped one, else those recognized by name.

    A column of the standard name itself comes first.
    """
    recognized = {}
    for name in MAPPABLE:
        by_name = [name, *present(WORDS[name], columns)] if name in columns else present(WORDS[name], columns)
        recognized[name] = [mapped[name]] if name in mapped else list(dict.fromkeys(by_name))
    return recognized


def identifiers() -> Iterator[str]:
    """Yield names whose values are compared as they are written: never read as numbers."""
    for name in ("plate", "well", "batch", "compound"):
        yield from names(WORDS[name])
    yield from (*names(SOURCE), *names(SOLVENT), *names(ROLE))


def looked_for(name: str) -> str:
    """Return the main names of a standard column for an error message, e.g. ``Metadata_Plate, Plate, ...``."""
    words = [f"Metadata_{word}" for word in WORDS[name][:4]]
    return ", ".join(dict.fromkeys([*words, f"Image_Metadata_{WORDS[name][0]}", WORDS[name][0], name]))
