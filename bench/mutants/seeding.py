"""Choosing the bugs: a fixed seed, every operator in turn, and only what the suite notices."""

import ast
import hashlib
import json
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.mutants.operators import Mutation, mutations, settled
from bench.mutants.packages import PACKAGES, Outcome, Package, suite, unpacked

MANIFEST = Path(__file__).with_name("manifest.json")
EACH = 6
TRIES = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Bug:
    """One seeded bug. `detecting` are the places of the test functions that fail on it, `path:first line`.

    `digest` names the wrong text; `digest_right` the released one, so that another archive is noticed.
    """

    id: str
    package: str
    version: str
    path: str
    operator: str
    start: int
    end: int
    line: int
    digest: str
    digest_right: str
    detecting: tuple[str, ...]

    def wrong(self, text: str) -> str:
        """The wrong text of its file. Raises ValueError if the manifest is of another archive or operators."""
        for found in mutations(text):
            if (found.operator, found.start, found.end) == (self.operator, self.start, self.end):
                final = settled(text, found)
                if final is not None and final.digest(text) == self.digest:
                    return final.applied(text)
        raise ValueError(f"{self.id}: not among the mutations of {self.path}; make the manifest again")

    def is_hidden(self, function: str) -> bool:
        """Whether a test function is held back: half of them, by a hash, one that detects the bug always shown.

        Where several detect it, at least one of them is held back.
        """
        if function in self.detecting:
            order = sorted(self.detecting, key=self._hash)
            shown = max(1, sum(self._hash(one) % 2 for one in order[:-1]))
            return order.index(function) >= min(shown, max(len(order) - 1, 1))
        return self._hash(function) % 2 == 0

    def _hash(self, function: str) -> int:
        return int(hashlib.sha256(f"{self.id} {function}".encode()).hexdigest(), 16)


def manifest() -> tuple[Bug, ...]:
    """The bugs as they were chosen."""
    return tuple(
        Bug(**{**entry, "detecting": tuple(entry["detecting"])}) for entry in json.loads(MANIFEST.read_text())
    )


def choose(seed: int, each: int = EACH) -> tuple[Bug, ...]:
    """So many bugs of every package; takes a while, since each is tried on its package's whole suite."""
    rng = random.Random(seed)
    used: Counter[str] = Counter()
    chosen: list[Bug] = []
    for package in PACKAGES:
        with tempfile.TemporaryDirectory(prefix="gitagent-mutants-") as folder:
            for bug in _of(package, unpacked(package, Path(folder) / "base"), rng, used, each):
                chosen.append(bug)
                print(f"{bug.id}: {bug.path}:{bug.line}, {len(bug.detecting)} detect it", file=sys.stderr)
    return tuple(chosen)


def write(bugs: Sequence[Bug]) -> None:
    """Keep the choice."""
    lines = ",\n".join(json.dumps(asdict(bug)) for bug in bugs)
    MANIFEST.write_text(f"[\n{lines}\n]\n")


def _of(package: Package, root: Path, rng: random.Random, used: Counter[str], each: int) -> Iterator[Bug]:
    base, again = suite(root, seconds=300), suite(root, seconds=300)
    if not base or not again:
        raise ValueError(f"{package.name}: the suite does not run")
    steady = {test for test, told in base.items() if told.outcome == "passed" == again[test].outcome}
    texts = {
        file.relative_to(root).as_posix(): file.read_bytes().decode()
        for pattern in package.sources
        for file in sorted(root.glob(pattern))
    }
    pool: dict[str, list[tuple[str, Mutation]]] = {}
    for path, text in texts.items():
        for mutation in mutations(text):
            pool.setdefault(mutation.operator, []).append((path, mutation))
    lines: set[tuple[str, int]] = set()
    found, tried = 0, Counter[str]()
    for _ in range(TRIES):
        if found == each or not pool:
            return
        operator = min(sorted(pool), key=lambda name: (used[name], tried[name], rng.random()))
        tried[operator] += 1
        if tried[operator] > 4:
            del pool[operator]
            continue
        path, drawn = rng.choice(pool[operator])
        mutation = settled(texts[path], drawn)
        if mutation is None or (path, mutation.line) in lines:
            continue
        detecting = _detecting(root, path, texts[path], mutation, base, steady)
        if detecting:
            found += 1
            used[operator] += 1
            lines.add((path, mutation.line))
            del pool[operator]
            yield Bug(
                id=f"{package.name}-{found}",
                package=package.name,
                version=package.version,
                path=path,
                operator=operator,
                start=mutation.start,
                end=mutation.end,
                line=mutation.line,
                digest=mutation.digest(texts[path]),
                digest_right=hashlib.sha256(texts[path].encode()).hexdigest()[:16],
                detecting=detecting,
            )


def _detecting(
    root: Path, path: str, text: str, mutation: Mutation, base: Mapping[str, Outcome], steady: set[str]
) -> tuple[str, ...]:
    """The test functions that notice; none if the suite does not run, or most of it fails."""
    try:
        (root / path).write_bytes(mutation.applied(text).encode())
        told = suite(root, seconds=60)
    finally:
        (root / path).write_bytes(text.encode())
    if not told or not base.keys() <= told.keys():
        return ()
    failing = [test for test in steady if told[test].outcome != "passed"]
    if len(failing) > len(steady) / 2:
        return ()
    functions = {base[test].function for test in failing}
    return tuple(sorted(one for one in functions if function_at(root, one)))


def function_at(root: Path, place: str) -> tuple[int, int, int] | None:
    """First line, last line and indentation of the function at `path:first line`, if it is there to be hidden."""
    path, _, number = place.rpartition(":")
    file = root / path
    if not path or path.startswith("..") or not file.is_file():
        return None
    for node in ast.walk(ast.parse(file.read_bytes())):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            if first == int(number):
                return first, node.end_lineno or first, node.col_offset
    return None


def hide(root: Path, places: Sequence[str]) -> None:
    """Blank test functions out of their files; the other lines keep their numbers."""
    for place in places:
        found = function_at(root, place)
        if found is not None:
            first, last, indent = found
            file = root / place.rpartition(":")[0]
            lines = file.read_bytes().decode().split("\n")
            lines[first - 1 : last] = [" " * indent + "pass", *[""] * (last - first)]
            file.write_bytes("\n".join(lines).encode())
