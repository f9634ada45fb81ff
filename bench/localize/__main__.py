"""`python -m bench localize`: are the files that a real fix changed found from its words alone?

No model, no test. Two kinds of words: the message of one upstream commit, and one line of a changelog. The packages
that fitted the weights (`bench.localize.training`) are shown apart from those that did not. Needs what `apt` can fetch
of the source packages in patches.json, and `pip` of the releases in manifest.json; the rest is left out and said.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.localize import cases, packages
from bench.localize.cases import Case
from bench.localize.plain import Plain
from bench.measuring import table
from gitagent.adapters.git import GitRepository
from gitagent.adapters.index import CodeIndex

CACHE = Path(__file__).resolve().parent.parent.parent / ".cache" / "bench-localize"
LARGE = 80
LONG = 20
FIRST = (1, 3, 5)
KINDS = {"commits": packages.cases, "releases": cases.cases}
SAID = {"commits": "Messages of commits", "releases": "Entries of changelogs"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One case, and which part of its files either ranking has among the first 1, 3 and 5."""

    case: Case
    plain: tuple[float, ...]
    ours: tuple[float, ...]


def shares(ranking: Sequence[str], truth: Sequence[str]) -> tuple[float, ...]:
    """Which part of the changed files is among the first 1, 3 and 5."""
    return tuple(len(set(ranking[:most]) & set(truth)) / len(truth) for most in FIRST)


def measured(case: Case) -> Measured:
    """One case, both ways, over the same files."""
    repository = GitRepository(str(case.repository))
    every = repository.entries(case.base)
    entries = [entry for entry in every if case.is_own(entry.path)]
    plain = Plain({entry.path: repository.read(entry.oid) for entry in entries}).ranked(case.request)
    index = CodeIndex(repository)
    places = index.places(case.base, case.request, most=len(every))
    index.close()
    own = [place.path for place in places if case.is_own(place.path)]
    return Measured(case=case, plain=shares(plain, case.truth), ours=shares(own, case.truth))


def report(title: str, found: Sequence[Measured]) -> None:
    """A table: kinds of fixes down, the two rankings beside each other."""
    kinds: tuple[tuple[str, Callable[[Case], bool]], ...] = (
        ("one file", lambda case: len(case.truth) == 1),
        ("several files", lambda case: len(case.truth) > 1),
        (f"{LARGE} or more source files", lambda case: case.size >= LARGE),
        (f"told in {LONG} words or more", lambda case: len(case.request.split()) >= LONG),
        ("all", lambda case: True),
    )
    rows = []
    for name, chosen in kinds:
        part = [one for one in found if chosen(one.case)]
        if part:
            rows.append(
                [name, str(len(part)), _mean([one.plain for one in part]), _mean([one.ours for one in part])]
            )
    table(title, ("fixes over", "fixes", "plain BM25, first 1 / 3 / 5", "gitagent, first 1 / 3 / 5"), rows)


def _mean(shares_of: Sequence[Sequence[float]]) -> str:
    return " / ".join(
        f"{sum(one[place] for one in shares_of) / len(shares_of):.2f}" for place in range(len(FIRST))
    )


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench localize", description=__doc__)
    parser.add_argument("--cache", type=Path, default=CACHE, help="Where what was fetched is kept.")
    parser.add_argument("--kind", action="append", choices=KINDS, help="Only this kind of words; repeatable.")
    parser.add_argument("--package", action="append", default=[], help="Only this package; repeatable.")
    parser.add_argument("--misses", action="store_true", help="Name the fixes whose files were not found at once.")
    options = parser.parse_args(arguments)
    for kind in options.kind or KINDS:
        found = []
        for case in KINDS[kind](options.cache, options.package):
            one = measured(case)
            found.append(one)
            if options.misses and one.ours[0] < 1 and case.held_back is False:
                print(f"{case.package} {case.version}: {one.plain} {one.ours} {', '.join(case.truth)}")
                print(f"    {' '.join(case.request.split())[:200]}")
        if not found:
            sys.exit(f"no fix could be fetched, so there is nothing to measure: {SAID[kind].lower()}")
        report(f"{SAID[kind]}, held back (fitted nothing)", [one for one in found if one.case.held_back])
        report(f"{SAID[kind]}, fitted the weights", [one for one in found if not one.case.held_back])
    return 0


if __name__ == "__main__":
    sys.exit(main())
