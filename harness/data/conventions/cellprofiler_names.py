"""Read column names by the grammar of CellProfiler: Compartment_Category_Measurement_Parameters.

Source: "How Measurements are Named" and the pages of the modules in the manual of CellProfiler 3 and 4.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

COMPARTMENTS = ("Cells", "Cytoplasm", "Nuclei", "Image")

_TEXTURES = (
    "angularsecondmoment|contrast|correlation|variance|inversedifferencemoment|sumaverage|sumvariance|sumentropy"
)
# Categories that measure, and what their measurements are called if the category alone could be anybody's word.
_SIGNATURES = {
    "areashape": ".*",
    "radialdistribution": ".*",
    "objectskeleton": ".*",
    "imagequality": ".*",
    "areaoccupied": ".*",
    "trackobjects": ".*",
    "intensity": r"\w*intensity(edge)?|massdisplacement|percentmaximal|totalarea",
    "texture": f"{_TEXTURES}|entropy|differencevariance|differenceentropy|infomeas[12]|gabor",
    "granularity": r"\d+",
    "correlation": "correlation|slope|overlap|k|manders|rwc|costes",
    "neighbors": r"percenttouching|numberofneighbors|(first|second)closest\w*|anglebetweenneighbors",
}
_PLAIN_CATEGORIES = frozenset({"classify", "colocalization", "distance", "math", "overlap", "threshold", "worm"})
MEASURED = frozenset(_SIGNATURES) | _PLAIN_CATEGORIES

_NEVER = {"location": "location", "parent": "parent", "children": "children"}
_NUMBERS = {"objectnumber": "object number", "imagenumber": "image number", "tablenumber": "counter"}
_OF_IMAGES = {
    "channel": "channel setting",
    "scaling": "channel setting",
    "frame": "channel setting",
    "series": "channel setting",
    "exposure": "channel setting",
    "exposuretime": "channel setting",
    "filename": "file name",
    "pathname": "path",
    "url": "path",
    "objectsfilename": "file name",
    "objectspathname": "path",
    "objectsurl": "path",
    "md5digest": "checksum",
    "executiontime": "execution time",
    "moduleerror": "processing status",
    "processingstatus": "processing status",
    "group": "counter",
    "imageset": "counter",
    "height": "image size",
    "width": "image size",
    "crop": "image size",
    "align": "alignment",
}
# Within a category that measures: the beginning of names that are no measurements, and the reason.
_EXCEPTIONS = {
    "areashape": {"center": "location", "boundingboxmin": "bounding box", "boundingboxmax": "bounding box"},
    "neighbors": {"firstclosestobjectnumber": "object number", "secondclosestobjectnumber": "object number"},
    "trackobjects": {"label": "object number", "parent": "parent"},
    "intensity": {"totalarea": "image size"},
    "areaoccupied": {"totalarea": "image size"},
    "imagequality": {"totalarea": "image size", "scaling": "channel setting"},
}


@dataclass(frozen=True)
class CellProfilerName:
    """Column name, parsed.

    Attributes
    ----------
    compartment : part before the category, e.g. ``Nuclei``; "" in a table of one compartment.
    category : in lower case, e.g. ``areashape``; "" if it is none of CellProfiler's.
    is_typical : only CellProfiler writes category and measurement this way.
    reason : why the column is no feature, e.g. ``location``; "" if it may be one.
    """

    compartment: str
    category: str
    is_typical: bool
    reason: str


@lru_cache(maxsize=100_000)  # every file of a screen has the same columns
def read_name(name: str) -> CellProfilerName | None:
    """Parse ``name`` by CellProfiler's grammar; return None if it contains no category."""
    words = [word for word in re.split(r"[\W_]+", name) if word]
    parts = [word.lower() for word in words]
    for place, part in enumerate(parts):
        following = parts[place + 1] if place + 1 < len(parts) else ""
        compartment = "_".join(words[:place])
        reason = _never_measured(part, following, place, parts)
        if reason:
            return CellProfilerName(compartment, part, is_typical=False, reason=reason)
        if part in MEASURED and (place == 0 or following):
            has_case = place > 0 or words[0] != part  # alone and in lower case, "granularity_1" is anybody's
            is_typical = has_case and bool(re.fullmatch(_SIGNATURES.get(part, "(?!)"), following)) and following != ""
            exceptions = _EXCEPTIONS.get(part, {})
            reason = next((why for start, why in exceptions.items() if following.startswith(start)), "")
            return CellProfilerName(compartment, part, is_typical, reason)
    return None


def compartments(names: Iterable[str]) -> set[str]:
    """Return the compartments of CellProfiler's typical names among ``names``, "" included."""
    readings = (read_name(name) for name in names)
    return {reading.compartment for reading in readings if reading is not None and reading.is_typical}


def _never_measured(part: str, following: str, place: int, parts: list[str]) -> str:
    if part in _NUMBERS:
        return _NUMBERS[part]
    if part == "number" and following == "object":
        return "object number"
    if part in _NEVER and following:
        return _NEVER[part]
    is_second = place == 1 or (place == 0 and following != "")
    if part == "count" and is_second:
        return "count"
    if part == "metadata" and is_second:
        return "metadata"
    of_image = place == 0 or (place == 1 and parts[0] == "image")
    return _OF_IMAGES.get(part, "") if of_image and (following or place == 1) else ""
