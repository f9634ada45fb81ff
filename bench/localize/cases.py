"""The real fixes as git repositories: one commit per release, its changelog entries as the message."""

import hashlib
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.localize import releases
from bench.repositories import git

SHARE_HELD_BACK = 2
"""One package in so many reports the score and fits nothing."""


def _is_own(path: str) -> bool:
    return not releases.is_aside(path)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One real fix: what was asked, the commit it is asked of, and the files that were changed for it.

    `size` is how many source files the commit has. `tip` is the commit that has the fix. `is_own` tells the project's
    own sources from tests and whatever else is no candidate.
    """

    package: str
    version: str
    repository: Path
    base: str
    tip: str
    request: str
    truth: tuple[str, ...]
    size: int
    is_own: Callable[[str], bool] = _is_own

    @property
    def held_back(self) -> bool:
        """Whether the case reports the score. Decided by the package's name alone, in whatever archive it is."""
        name = self.package.removeprefix("python-")
        return int(hashlib.sha256(name.encode()).hexdigest(), 16) % SHARE_HELD_BACK == 0


def cases(cache: Path, packages: list[str] | None = None) -> Iterator[Case]:
    """Every case of the manifest whose releases can be fetched and are the ones that were measured."""
    manifest = json.loads(releases.MANIFEST.read_text())
    for package, known in manifest.items():
        if packages and package not in packages:
            continue
        said = releases.changelog(package, cache)
        trees: dict[str, dict[str, bytes]] = {}
        for version, digest in known["wheels"].items():
            archive = releases.wheel(package, version, cache)
            if archive is None or hashlib.sha256(archive.read_bytes()).hexdigest() != digest:
                print(f"# {package} {version} is not to be had as it was measured", file=sys.stderr)
                continue
            trees[version] = releases.sources(archive)
        repository = cache / "repositories" / package
        commits = _repository(repository, trees, said)
        for old, new in known["cases"]:
            truth = releases.changed(trees[old], trees[new]) if old in trees and new in trees else ()
            if truth and said.get(new):
                yield Case(
                    package=package,
                    version=new,
                    repository=repository,
                    base=commits[old],
                    tip=commits[new],
                    request=said[new][0],
                    truth=truth,
                    size=sum(1 for path in trees[old] if not releases.is_aside(path)),
                )


def _repository(directory: Path, trees: dict[str, dict[str, bytes]], said: dict[str, list[str]]) -> dict[str, str]:
    """One commit per release on `main`, oldest first; the commits by version. Kept from one run to the next."""
    marks = directory / "releases.json"
    ordered = sorted(trees, key=releases.key)
    if marks.exists() and list(kept := json.loads(marks.read_text())) == ordered:
        return dict(kept)
    subprocess.run(["rm", "-rf", str(directory)], check=True)
    directory.mkdir(parents=True)
    git(directory, "init", "-q", "--bare", "-b", "main", ".")
    stream: list[bytes] = []
    before: tuple[int, ...] = ()
    for mark, version in enumerate(ordered, 1):
        own = [v for v in said if before < releases.key(v) <= releases.key(version)]
        entries = [entry for v in sorted(own, key=releases.key) for entry in said[v]]
        before = releases.key(version)
        message = "\n\n".join([f"Release {version}", *entries])[:20_000].encode()
        stream.append(b"commit refs/heads/main\nmark :%d\n" % mark)
        stream.append(b"committer Bench <bench@localhost> %d +0000\n" % (1_500_000_000 + 86_400 * mark))
        stream.append(b"data %d\n%s\n" % (len(message), message))
        stream.append(b"deleteall\n")
        for path, data in trees[version].items():
            stream.append(b"M 100644 inline %s\ndata %d\n%s\n" % (path.encode(), len(data), data))
    git(directory, "fast-import", "--quiet", stdin=b"".join(stream))
    oids = git(directory, "rev-list", "--reverse", "main").split()
    marks.write_text(json.dumps(dict(zip(ordered, oids, strict=True))))
    return dict(zip(ordered, oids, strict=True))
