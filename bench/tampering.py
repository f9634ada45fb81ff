"""How often the tamper gate speaks up about ordinary work: the changes between releases of published packages."""

import argparse
import subprocess
import sys
import tarfile
from collections import Counter
from itertools import pairwise
from pathlib import Path

from gitagent.core import tampering
from gitagent.core.testing import is_test_path

RELEASES = {
    "boltons": ("20.0.0", "20.1.0", "20.2.0", "21.0.0", "23.0.0", "23.1.0", "24.0.0", "24.1.0"),
    "cachetools": ("4.2.3", "4.2.4", "5.0.0", "5.1.0", "5.2.0"),
    "more-itertools": ("8.12.0", "8.13.0", "8.14.0", "9.0.0", "9.1.0", "10.0.0", "10.1.0", "10.2.0", "10.3.0"),
    "jsonpointer": ("2.0", "2.1", "2.2", "2.3", "2.4"),
    "schedule": ("1.1.0", "1.2.0", "1.2.1", "1.2.2"),
    "sqlparse": ("0.4.3", "0.4.4", "0.5.0", "0.5.1", "0.5.2"),
    "tabulate": ("0.8.7", "0.8.8", "0.8.9", "0.8.10"),
    "texttable": ("1.6.3", "1.6.4", "1.6.5", "1.6.6", "1.6.7"),
    "xmltodict": ("0.12.0", "0.13.0", "0.14.1", "0.14.2"),
}


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description="The tamper gate on ordinary work.")
    cache = Path.home() / ".cache" / "gitagent-bench" / "releases"
    parser.add_argument("--cache", type=Path, default=cache, help="Where releases are kept.")
    parser.add_argument("--show", action="store_true", help="Print each finding in a file that is no test.")
    options = parser.parse_args(arguments)
    files: Counter[str] = Counter()
    flagged: Counter[str] = Counter()
    kinds: dict[str, Counter[str]] = {"source": Counter(), "tests": Counter()}
    for name, versions in RELEASES.items():
        trees = [tree for version in versions if (tree := texts_of(options.cache, name, version))]
        for old, new in pairwise(trees):
            tests = {path: text for path, text in new.items() if is_test_path(path)}
            red = [f"{path}::" for path in tests]  # every test of the new release at once: the worst case
            for path in sorted(old.keys() & new.keys()):
                if old[path] == new[path]:
                    continue
                where = "tests" if is_test_path(path) else "source"
                files[where] += 1
                found = tampering.find(
                    {path: old[path]}, {path: new[path]}, is_test=is_test_path, red=red, tests=tests
                )
                flagged[where] += bool(found)
                kinds[where].update({finding.kind for finding in found})
                if options.show and where == "source":
                    print(*(f"# {name} {finding}" for finding in found), sep="\n", end="\n" if found else "")
    print("| changed files between releases | files | found in | by kind |\n|---|---|---|---|")
    for where in ("source", "tests"):
        share = f"{flagged[where]} ({flagged[where] / max(files[where], 1):.1%})"
        by_kind = ", ".join(f"{kind} {count}" for kind, count in kinds[where].most_common()) or "–"
        print(f"| {where} | {files[where]} | {share} | {by_kind} |")
    return 0


def texts_of(cache: Path, name: str, version: str) -> dict[str, str]:
    """The Python files of a release's source archive by path, {} if it cannot be fetched."""
    cache.mkdir(parents=True, exist_ok=True)
    known = f"{name}-{version}.tar.gz"
    if not (cache / known).exists():
        argv = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "-q",
            "--no-deps",
            "--no-binary",
            ":all:",
            "-d",
            str(cache),
        ]
        subprocess.run([*argv, f"{name}=={version}"], capture_output=True, check=False)
    if not (cache / known).exists():
        print(f"# {name} {version} cannot be fetched", file=sys.stderr)
        return {}
    found: dict[str, str] = {}
    with tarfile.open(cache / known) as archive:
        for member in archive:
            if member.isfile() and member.name.endswith(".py") and (file := archive.extractfile(member)):
                found[member.name.partition("/")[2]] = file.read().decode("utf-8", "surrogateescape")
    return found
