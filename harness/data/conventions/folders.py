"""Find the folder that may be the batch of a file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from harness.data.conventions import names
from harness.data.files.file_parts import FilePart
from harness.utils.text import as_text


def row_folders(files: Sequence[FilePart]) -> pd.Series[Any]:
    """Return the folder that may be the batch of each row of ``files``, (n,).

    That is the folder of its file, or, if that is called like the plate, the one above it: pycytominer and JUMP keep
    ``BATCH/PLATE/PLATE.parquet``.
    """
    return pd.Series(np.repeat([_folder(file) for file in files], [len(file.meta) for file in files]), dtype=object)


def _folder(file: FilePart) -> str:
    path = file.path.resolve()
    plates = {
        plate for column in names.candidates(file.meta.columns, {})["plate"] for plate in as_text(file.meta[column])
    }
    of_plate = path.parent.name in plates or path.name.startswith(f"{path.parent.name}.")
    return path.parent.parent.name if of_plate else path.parent.name
