"""Whether a change tampers with what judges it: tests, how they run, who runs them.

Existing tests may grow and new ones may come; what takes from them, goes round them or knows them by heart is found.
"""

import re
from collections.abc import Callable, Collection, Mapping, Sequence

from gitagent.core.tampering import lookalikes, paths, python, words
from gitagent.core.tampering.findings import Finding

__all__ = ["Finding", "find", "told"]

_SHOWN = 3


def find(
    before: Mapping[str, str | None],
    after: Mapping[str, str | None],
    *,
    is_test: Callable[[str], bool],
    red: Sequence[str] = (),
    tests: Mapping[str, str] | None = None,
) -> tuple[Finding, ...]:
    """Each way in which a change tampers, in path order; () for an innocent one.

    `before` and `after` are whole texts by path, None where there is no file. `red` are the ids of the tests that are
    to be mended, `tests` the texts of their files: code that knows their literals by heart is found with them.
    """
    found = list[Finding]()
    known = lookalikes.literals_of(red, tests or {})
    for path in sorted(after):
        old, new = before.get(path), after[path]
        if old == new:
            continue
        machinery = paths.machinery(path, old, new)
        if machinery:
            found.append(Finding(path=path, line=0, kind="machinery", what=machinery))
        elif is_test(path):
            found += _in_test(path, old, new)
        elif path.endswith((".py", ".pyi")) and new is not None:
            found += python.in_source(path, old or "", new)
            found += lookalikes.special_cases(path, old or "", new, known)
    return tuple(found)


def told(findings: Collection[Finding]) -> str:
    """The findings in one line, for a refusal."""
    lines = [str(finding) for finding in findings]
    more = f"; and {len(lines) - _SHOWN} more" if len(lines) > _SHOWN else ""
    return "the change tampers with what judges it: " + "; ".join(lines[:_SHOWN]) + more


def _in_test(path: str, old: str | None, new: str | None) -> list[Finding]:
    if new is None:
        return [Finding(path=path, line=0, kind="deleted", what="a file of the tests is deleted")]
    if path.endswith(".py"):
        return python.in_test(path, old, new)
    if old is None:
        return words.in_new(path, new)
    if re.search(r"\.(snap|json|ya?ml|txt|csv|toml|xml|html|golden|out|expected)$", path):
        return [Finding(path=path, line=0, kind="changed", what="what tests compare with is changed")]
    return words.in_test(path, old, new)
