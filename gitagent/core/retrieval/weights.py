"""How much each kind of evidence counts. Fitted by `python -m bench.localize.training`, not by hand."""

from collections.abc import Mapping

FILES: Mapping[str, float] = {
    "body": 0.784,
    "names": 0.669,
    "docs": 0.16,
    "share": 0.738,
    "defines": 0.335,
    "writes": 0.305,
    "hints": 0.0,
    "path": 0.563,
    "mentioned": 0.6,
    "traced": 2.0,
    "passage": 1.0,
    "told": 0.477,
    "often": 0.607,
    "together": 0.077,
    "calls": 0.033,
    "linked": 0.499,
    "twin": 0.04,
    "length": 0.293,
    "package": 0.189,
}
