"""Making cases: successive releases of published packages, fetched by name; their differences are the changes."""

import difflib
import random
import re
import subprocess
import sys
import zipfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import bench.diffs.hunk_flaws
import bench.diffs.refusals
import bench.diffs.text_flaws  # noqa: F401 - the three fill the tables of flaws
from bench.diffs.cases import FLAWS, REFUSALS, Case, Hunk, with_hunks
from gitagent.core.diffs import lines_of

RELEASES = {
    "requests": ("2.28.0", "2.31.0", "2.32.3"),
    "flask": ("2.2.5", "2.3.3", "3.0.3"),
    "werkzeug": ("2.2.3", "2.3.8", "3.0.4"),
    "jinja2": ("3.0.3", "3.1.4"),
    "click": ("8.0.4", "8.1.7"),
    "urllib3": ("1.26.18", "2.0.7", "2.2.2"),
    "rich": ("12.6.0", "13.7.1"),
    "sphinx": ("6.2.1", "7.2.6"),
    "networkx": ("3.0", "3.1"),
    "attrs": ("22.2.0", "23.2.0"),
    "starlette": ("0.27.0", "0.37.2"),
    "httpx": ("0.24.1", "0.27.0"),
}
SUFFIXES = (".py", ".pyi", ".js", ".css", ".html", ".jinja", ".tex", ".txt", ".toml", ".pot")


def fetched(cache: Path) -> Iterator[tuple[str, str, str]]:
    """(path, old text, new text) of every changed file between successive releases."""
    cache.mkdir(parents=True, exist_ok=True)
    for name, versions in RELEASES.items():
        trees = []
        for version in versions:
            directory = cache / f"{name}-{version}"
            if not directory.exists():
                argv = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary", ":all:", "-d"]
                done = subprocess.run([*argv, str(cache), f"{name}=={version}"], capture_output=True, text=True)
                wheels = sorted(cache.glob("*.whl"))
                if done.returncode or not wheels:
                    print(f"# {name} {version} cannot be fetched", file=sys.stderr)
                    continue
                zipfile.ZipFile(wheels[0]).extractall(directory)
                wheels[0].unlink()
            trees.append(directory)
        for old_tree, new_tree in pairwise(trees):
            for file in sorted(old_tree.rglob("*")):
                path = file.relative_to(old_tree).as_posix()
                other = new_tree / path
                if file.suffix not in SUFFIXES or not other.is_file() or ".dist-info" in path:
                    continue
                old, new = (f.read_bytes().decode("utf-8", "surrogateescape") for f in (file, other))
                if old != new and old and new and "\r" not in old + new and len(old) < 400_000:
                    yield path, old, new


def hunks_of(old: list[str], new: list[str]) -> list[Hunk]:
    """The hunks as difflib sees them, with git's kind of section text."""
    out: list[Hunk] = []
    for group in difflib.SequenceMatcher(None, old, new).get_grouped_opcodes(3):
        lines: list[str] = []
        for tag, a, b, c, d in group:
            if tag == "equal":
                lines += [" " + line for line in old[a:b]]
                continue
            lines += ["-" + line for line in old[a:b]] + ["+" + line for line in new[c:d]]
        if not all(line.endswith("\n") for line in lines):
            continue
        start, new_start = group[0][1], group[0][3]
        heads = [line for line in old[:start] if re.match(r"[A-Za-z_$]", line)]
        section = heads[-1].strip()[:80] if heads else ""
        out.append(Hunk(start + 1, new_start + 1, section, tuple(line[:-1] for line in lines), at=start))
    return out


def clean_cases(cache: Path, rng: random.Random) -> Iterator[Case]:
    """Cases without a flaw, endlessly."""
    files = [(path, lines_of(old), hunks_of(lines_of(old), lines_of(new))) for path, old, new in fetched(cache)]
    files = [(path, old, [h for h in hunks if len(h.lines) <= 60]) for path, old, hunks in files]
    files = [one for one in files if one[2]]
    if not files:
        sys.exit("no release of any package could be fetched, so there is nothing to mangle")
    while True:
        path, old, all_hunks = rng.choice(files)
        count = min(rng.choice([1, 1, 1, 2, 2, 3]), len(all_hunks))
        first = rng.randrange(len(all_hunks) - count + 1)
        shift, hunks = 0, []
        for hunk in all_hunks[first : first + count]:
            hunks.append(replace(hunk, new_start=hunk.start + shift))
            a, b = hunk.sizes()
            shift += b - a
        yield Case(
            path,
            "".join(old),
            with_hunks(old, hunks),
            tuple(hunks),
            tuple(h.sizes() for h in hunks),
            clean=tuple(hunks),
        )


def has_one_answer(case: Case) -> bool:
    """By trying every line of the file: does each hunk agree best with the place it was taken from, alone?"""

    def packed(line: str) -> str:
        line = re.sub("[“”]", '"', re.sub("[‘’]", "'", line.replace("–", "-").replace("\u200b", "")))
        return "".join(line.replace("\ufeff", "").split())

    file = [packed(line) for line in lines_of(case.old)]
    for hunk in case.hunks:
        pieces: list[list[str]] = [[]]
        for line in hunk.lines:
            if line.strip() in ("...", "# ... existing code ...", "// ...", "@@"):
                pieces.append([])
            elif line[:1] not in ("+", "\\"):
                pieces[-1].append(packed(line[1:] if line[:1] in " -" else line))
        for piece in pieces:
            wanted = [line for line in piece if line]
            if not wanted:
                return False
            scores = Counter[int]()
            for at in range(len(file)):
                window = [line for line in file[at : at + len(piece) + 3] if line]
                if window and window[0] in wanted[:2]:
                    score, spot = 0, 0
                    for line in wanted:
                        if line in window[spot:]:
                            score, spot = score + 1, window.index(line, spot) + 1
                    scores[at] = score
            best = scores.most_common(2)
            if not best or (len(best) > 1 and best[0][1] == best[1][1]):
                return False
    return True


def mangled(cache: Path, rng: random.Random, count: int, only: str) -> list[Case]:
    """Cases to be applied: single flaws evenly, then two and three at once."""
    names = [name for name in FLAWS if not only or only in name]
    out: list[Case] = []
    per_kind = Counter[str]()
    tries = 0
    for clean in clean_cases(cache, rng):
        tries += 1
        if len(out) >= count or tries > 60 * count:
            return out
        how_many = 1 if only else rng.choice([1, 1, 1, 2, 3])
        kinds = [min(rng.sample(names, min(4, len(names))), key=lambda name: per_kind[name])]
        kinds += rng.sample([name for name in names if name not in kinds], how_many - 1)
        case: Case | None = clean
        # Whole-file flaws and wrappers last, as they see what the others did.
        for kind in sorted(kinds, key=lambda name: ("applied" not in name, list(FLAWS).index(name))):
            case = FLAWS[kind](case, rng) if case is not None else None
        if case is None or case.old == case.new or not has_one_answer(case) or not has_one_answer(clean):
            continue
        per_kind.update(kinds)
        label = kinds[0] if how_many == 1 else f"{how_many} flaws at once"
        out.append(replace(case, kind=label))
    return out


def refusable(cache: Path, rng: random.Random, count: int) -> list[Case]:
    out: list[Case] = []
    names = list(REFUSALS)
    for clean in clean_cases(cache, rng):
        if len(out) >= count:
            return out
        name = names[len(out) % len(names)]
        case = REFUSALS[name](clean, rng) if has_one_answer(clean) else None
        if case is not None:
            out.append(replace(case, kind=name, new=None))
    return out
