"""How much each kind of evidence counts: fitted by `python -m bench.localize.training`.

But for `mentioned` and `traced`: the changelog entries it learns from hold next to no paths and no tracebacks, so these
two are set by hand. `together`, `calls` and `twin` came out at nothing there, where history is a commit for each
release; they keep a little, to tell files apart that all else leaves equal.
"""

from collections.abc import Mapping

FILES: Mapping[str, float] = {
    "body": 0.966,
    "names": 0.797,
    "docs": 0.176,
    "share": 0.796,
    "defines": 0.44,
    "writes": 0.365,
    "hints": 0.025,
    "path": 0.757,
    "mentioned": 0.6,
    "traced": 2.0,
    "passage": 1.0,
    "told": 0.544,
    "often": 0.414,
    "together": 0.03,
    "calls": 0.03,
    "linked": 0.505,
    "twin": 0.03,
    "length": 0.31,
    "package": 0.144,
    "suspected": 2.0,
    "heard": 1.0,
}

SUSPECTED_SYMBOL = 2.0
"""What the most suspicious line of a function counts, where its words count 1 and its file 1."""
