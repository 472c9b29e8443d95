"""Recognize columns that identify a well, object or file, and measure nothing, by their names."""

from __future__ import annotations

import re
from functools import lru_cache

_WORD = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|[^\W\d_A-Za-z]+|\d+")
_PER = re.compile(r"(?:^|_)(?:per|by)_(?:well|site|field|image|plate|cell|object|nucleus)(?=_|$)")
_THINGS = (
    "image|object|table|cell|nucleus|nuclei|field|site|plate|well|batch|sample|compound|frame|group|run|row|col|column|"
    "record|obs|observation|experiment|treatment|plane|slide|replicate|perturbation|gene"
)

# Patterns are searched for in the words of a name, in lower case, joined by "_": ImageNumber is image_number.
_ALWAYS = [
    ("saved index", r"^unnamed(_|$)|^index(_level)?(_\d+)*(_[xy])?$|^level_\d+$"),
    ("saved index", r"^row_?(id|index|idx|names?|num|number)$"),
    ("execution time", r"(^|_)execution_time|(^|_)executiontime"),
    ("file name", r"(^|_)(file|filename|path|pathname|url|folder|directory|md5)(_|$)"),
    ("counter", rf"^({_THINGS})_?(number|num|no|nr|index|idx)s?$|^(number|num|no|nr|idx)$"),
    ("identifier", rf"(^|_)(ids?|uid|uuid|guid|identifier|barcode|accession|hash)(_|$)|^({_THINGS})id$"),
    ("count", r"(^|_)counts?(_|$)|^(n|num|number)(_of)?(_analy[sz]ed)?_(cells|objects|nuclei|images|fields|sites)$"),
    ("count", r"(^|_)number_of(_analy[sz]ed)?_(cells|objects|nuclei|images|fields|sites)$"),
    ("parent", r"(^|_)parents?(_|$)"),
    ("children", r"(^|_)children(_|$)"),
    ("location", r"(^|_)(cent(er|re)|centroid|coords?|coordinates?|pos|position|com)(_(weighted|mass))?_([xyz]|\d+)$"),
    ("location", r"^[xyz](_(um|px|mm|pixels?))?$|(^|_)location(_|$)|(^|_)(umap|tsne|t_sne)(_?\d+|_[xy])?$"),
    ("bounding box", r"(^|_)bbox_?\d*$|(^|_)bbox_(min|max)|(^|_)bounding_?box_?(min|max)"),
    ("plate", r"(^|_)plates?(_|$)"),
    ("well", r"(^|_)wells?(_|$)"),
    ("site", r"(^|_)(sites?|fov)(_|$)"),
    ("batch", r"(^|_)batch(es)?(_|$)"),
    ("dose", r"(^|_)(dose|dosage|concentration|conc|molarity)(_|$)"),
    ("date", r"(^|_)(date|datetime|days?|timestamp)(_|$)"),
    ("time", r"^time(_(s|sec|seconds|min|minutes|h|hours?))?$|^timepoint$"),
    ("channel setting", r"(^|_)(exposure|gain|binning|magnification)(_|$)"),
    ("label", r"^(labels?|class|classes|targets?|role|split|fold)$"),
]  # fmt: skip
_IF_WHOLE_NUMBERS = [
    ("label", r"(^|_)(code|codes|label|labels|class|group|cluster|moa|target|role|status|flag)$"),
    ("label", r"(^|_)(controls?|negcon|poscon|treated|treatment|compound|drug|gene|donor|patient|passage)(_|$)"),
    ("identifier", r"^(rows?|cols?|columns?|fields?|runs?|reps?|replicates?|experiment|source|position|plane)$"),
    ("identifier", r"(^|_)(replicate|rep|run|row|column|col|field|plane|timepoint|experiment|position)(_?\d+)?$"),
    ("date", r"(^|_)(week|month|year|hour|minute|time|timepoint)s?$|^(week|month|year|hour|time|timepoint)_"),
    ("counter", r"^(order|rank|series|frame|version|split|fold|train|test)$"),
]  # fmt: skip


def words_of(name: str) -> str:
    """Return the words of ``name`` in lower case, joined by "_"; without "per well" and the like."""
    joined = "_".join(_WORD.findall(name)).lower()
    return _PER.sub("", joined)


@lru_cache(maxsize=100_000)
def identifier_reason(name: str) -> str:
    """Return what ``name`` stands for if such a column is never a feature, e.g. ``dose``; else ""."""
    if not name.strip():
        return "saved index"
    words = words_of(name)
    return next((reason for reason, pattern in _ALWAYS if re.search(pattern, words)), "")


@lru_cache(maxsize=100_000)
def label_reason(name: str) -> str:
    """Return what ``name`` stands for if such a column of whole numbers is no feature, e.g. ``label``; else ""."""
    words = words_of(name)
    return next((reason for reason, pattern in _IF_WHOLE_NUMBERS if re.search(pattern, words)), "")
