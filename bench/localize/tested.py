"""`python -m bench.localize.tested`: what a failing test adds to the words of a real fix.

For each fix whose source archives hold tests: the sources before it with the tests of the release that has it. The
tests that fail there and pass on the new sources are named to `gitagent localize --test`; the changed source files are
to be found by the changelog's entry alone, by the tests alone, and by both, in one run.
"""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.localize import releases
from bench.localize.__main__ import CACHE, FIRST, LARGE, shares
from bench.localize.cases import Case, cases
from bench.localize.releases import is_aside
from bench.localize.suites import LIMITS, FellOut, Suite, suite
from bench.measuring import table
from gitagent import witnessing
from gitagent.adapters.git import GitRepository
from gitagent.adapters.index import CodeIndex
from gitagent.errors import GitagentError
from gitagent.records import Shown
from gitagent.tree import Tree
from gitagent.witnessing import Witness, Witnessed

WAYS = ("words alone", "tests alone", "both")


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One fix, and which part of its files each way has among the first 1, 3 and 5."""

    case: Case
    tests: int
    found: tuple[tuple[float, ...], ...]


def witnessed(one: Suite) -> Witnessed:
    """What the fix's failing tests show before it, as `gitagent localize --test` has it."""
    repository = GitRepository(str(one.case.repository))
    return Witness(repository, one.sandbox, LIMITS).asked(one.base, one.red)


def ways(one: Suite, seen: Witnessed) -> tuple[tuple[str, Shown | None], ...]:
    """What is asked of the index each way: the request, and what tests showed."""
    tree = Tree(GitRepository(str(one.case.repository)), one.base)
    said = one.case.request
    return (
        (said, None),
        ("", seen.shown),
        (said, witnessing.shown(tree, seen.red, seen.coverage, said)),
    )


def measured(one: Suite, seen: Witnessed) -> Measured:
    """One fix, each way, over the same files."""
    index = CodeIndex(GitRepository(str(one.case.repository)))
    found = []
    for said, shown in ways(one, seen):
        places = index.places(one.base, said, most=2000, shown=shown)
        found.append(shares([place.path for place in places if not is_aside(place.path)], one.case.truth))
    index.close()
    return Measured(case=one.case, tests=len(seen.red), found=tuple(found))


def suites(cache: Path, packages: list[str], fell_out: Counter[str]) -> Iterator[tuple[Suite, Witnessed]]:
    """The fixes that have failing tests, with what these show; why the others have none is counted."""
    manifest = json.loads(releases.MANIFEST.read_text())
    before = {(package, new): old for package, known in manifest.items() for old, new in known["cases"]}
    for case in cases(cache, packages):
        try:
            one = suite(case, cache, before[case.package, case.version])
            seen = witnessed(one)
        except FellOut as reason:
            told = str(reason)
        except GitagentError as error:
            told = f"its tests do not run here ({str(error)[:60]})"
        else:
            yield one, seen
            continue
        print(f"# {case.package} {case.version}: {told}", file=sys.stderr, flush=True)
        fell_out[told.partition(" (")[0]] += 1


def report(title: str, found: Sequence[Measured]) -> None:
    """A table: kinds of fixes down, the three ways beside each other."""
    kinds: tuple[tuple[str, Callable[[Case], bool]], ...] = (
        ("one file", lambda case: len(case.truth) == 1),
        ("several files", lambda case: len(case.truth) > 1),
        (f"{LARGE} or more source files", lambda case: case.size >= LARGE),
        ("all", lambda case: True),
    )
    rows = []
    for name, chosen in kinds:
        part = [one.found for one in found if chosen(one.case)]
        if part:
            rows.append([name, str(len(part)), *(_mean([one[way] for one in part]) for way in range(len(WAYS)))])
    table(title, ("fixes over", "fixes", *(f"{way}, first 1 / 3 / 5" for way in WAYS)), rows)


def _mean(found: Sequence[Sequence[float]]) -> str:
    return " / ".join(f"{sum(one[place] for one in found) / len(found):.2f}" for place in range(len(FIRST)))


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.localize.tested", description=__doc__)
    parser.add_argument("--cache", type=Path, default=CACHE, help="Where fetched releases are kept.")
    parser.add_argument("--package", action="append", default=[], help="Only this package; repeatable.")
    options = parser.parse_args(arguments)
    fell_out: Counter[str] = Counter()
    found = [measured(one, seen) for one, seen in suites(options.cache, options.package, fell_out)]
    for reason, times in fell_out.most_common():
        print(f"left out: {times} where {reason}")
    if not found:
        sys.exit("no fix with a failing test could be had, so there is nothing to measure")
    report("Held back (fitted nothing)", [one for one in found if one.case.held_back])
    report("Chose the weights", [one for one in found if not one.case.held_back])
    report("All", found)
    return 0


if __name__ == "__main__":
    sys.exit(main())
