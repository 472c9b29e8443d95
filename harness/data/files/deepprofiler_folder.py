"""Locate the index and the feature files of a DeepProfiler project."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from harness.core.exceptions import InputError
from harness.data.files.table_files import expand_one
from harness.utils.text import preview

INDEX = Path("inputs/metadata/index.csv")
LAYOUTS = ("{0}/{1}/{2}", "{0}/{1}_{2}", "{0}/{1}-{2}", "{0}/{0}_{1}_{2}", "{0}_{1}_{2}")  # plate, well, site


@dataclass(frozen=True)
class Project:
    """Project of DeepProfiler: its name, the table of sites ``index``, and the folder of npz files ``features``."""

    name: str
    index: Path
    features: Path

    @cached_property
    def files(self) -> list[Path]:
        """All npz files, sorted.

        Raises
        ------
        InputError : no such file.
        """
        files = sorted(path for path in self.features.rglob("*.npz") if path.is_file())
        if not files:
            raise InputError(f"{self.features}: holds no .npz file; expected <plate>/<well>/<site>.npz")
        return files

    @cached_property
    def _by_place(self) -> dict[str, Path]:
        return {path.relative_to(self.features).with_suffix("").as_posix(): path for path in self.files}

    def file_of(self, place: Sequence[str]) -> Path | None:
        """Return the file of (plate, well, site) in one of :data:`LAYOUTS`; None if there is none.

        Raises
        ------
        InputError : several layouts have one.
        """
        names = {layout.format(*place) for layout in LAYOUTS}
        paths = [self._by_place[name] for name in sorted(names) if name in self._by_place]
        if len(paths) > 1:
            raise InputError(
                f"{self.features}: plate {place[0]!r}, well {place[1]!r}, site {place[2]!r} has {len(paths)} files: "
                f"{preview([path.relative_to(self.features).as_posix() for path in paths])}; expected one"
            )
        return paths[0] if paths else None


def locate(path: str, *, experiment: str | None, index: str | None) -> Project:
    """Locate the project of a folder: the project's own folder, that of an experiment, or that of its features.

    Raises
    ------
    InputError : no folder, no or several experiments, no index.
    """
    try:
        folder = Path(path).expanduser()
        is_folder, exists = folder.is_dir(), folder.exists()
    except (OSError, ValueError, RuntimeError, TypeError) as error:
        raise InputError(f"data.path: {path!r} cannot be the path of a folder ({error})") from error
    if not is_folder:
        reason = "is a file" if exists else "no such folder"
        raise InputError(f"data.path: {path!r}: {reason}; expected the folder of a DeepProfiler project, with outputs/")
    if (folder / "outputs").is_dir():
        root, features = folder, _experiment(folder, experiment) / "features"
    else:
        features = folder / "features" if (folder / "features").is_dir() else folder
        root = features.resolve().parents[min(2, len(features.resolve().parents) - 1)]
        if experiment is not None:
            raise InputError(
                f"data.experiment={experiment!r}: {path!r} has no folder outputs; give the project's folder"
            )
    return Project(root.resolve().name, _index(root, index), features)


def _experiment(project: Path, experiment: str | None) -> Path:
    names = sorted(entry.parent.name for entry in (project / "outputs").glob("*/features") if entry.is_dir())
    if experiment is None and len(names) == 1:
        return project / "outputs" / names[0]
    if experiment is not None and str(experiment) in names:
        return project / "outputs" / str(experiment)
    if not names:
        raise InputError(
            f"{project / 'outputs'}: no experiment has a folder features; expected outputs/<name>/features"
        )
    got = "" if experiment is None else f" got {experiment!r};"
    raise InputError(f"data.experiment:{got} expected one of {preview(names, 20)}")


def _index(root: Path, index: str | None) -> Path:
    if index is not None:
        return expand_one(index, option="data.index", expected="one table of sites")
    path = root / INDEX
    if not path.is_file():
        raise InputError(f"{path}: no such file; set data.index to the table with Metadata_Plate, _Well and _Site")
    return path
