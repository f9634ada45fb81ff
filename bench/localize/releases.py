"""Real fixes: patch releases of published packages whose changelog has one entry, and the files they changed.

The changelog comes from the newest source archive, the files from the wheels of a release and of the one before
it. Everything is fetched by name with pip, as the machine has it set up, and kept in a cache; what is committed
is a manifest of names, versions and digests.
"""

import hashlib
import json
import re
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from bench.localize import changelogs

MANIFEST = Path(__file__).with_name("manifest.json")
MOST_OF_ONE = 10
_PIP = (sys.executable, "-m", "pip", "--no-input", "--disable-pip-version-check")
_NO_PIP = f"{sys.executable} has no pip, so no release can be fetched; run this with a Python that has it"
_CHANGELOG = re.compile(
    r"(?:^|/)(?:change(?:s|log)?|history|news|whatsnew|release[-_]?notes|versionhistory|relnotes|changelog_\d+)"
    r"(?:\.(?:rst|md|txt))?$|/releases?/[\w.]+\.(?:txt|rst|md)$|/(?:whatsnew|changelogs?|relnotes|changes)/[\w./]+\.(?:rst|md|txt)$",
    re.IGNORECASE,
)
# What each release touches whatever it is about, and what is no source of the package's own.
_RELEASE_FILES = re.compile(
    r"(?:^|/)(?:_?version(?:s|_info)?|__about__|__version__|__meta__|_meta|release|pkginfo|__pkginfo__|_?sysinfo)\.py$"
    r"|(?:^|/)(?:tests?|testing|_?vendor(?:ed)?|_distutils|docs?|examples?)/|(?:^|/)(?:test_[^/]*|[^/]*_test|conftest)\.py$|\.data/"
)
_ONLY_RELEASE = re.compile(r"version|copyright|\b20\d\d\b|^\s*[\"']?\d+(?:\.\d+)+|^\s*$", re.IGNORECASE)
# Entries that say themselves that they are about something else than the code.
_NOT_CODE = re.compile(
    r"packag(?:e|ing) (?:issue|metadata)|\bsdist\b|source distribution|\bwheels?\b|\bpin(?:ned|s)?\b|dependenc(?:y|ies)"
    r"|\bdocs?\b|documentation|type hints?|typing|upgrade \w+ to|compatib\w+ with|revert",
    re.IGNORECASE,
)
MOST_FILES = 4
MOST_LINES = 300
SOURCES = (".py", ".pyx", ".js", ".ts", ".c", ".h", ".go", ".rs", ".java", ".rb")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A release, the one before it, and what the changelog says is new."""

    package: str
    old: str
    new: str
    request: str


def key(version: str) -> tuple[int, ...]:
    """What orders releases; those with letters in them are left out before."""
    return tuple(int(part) for part in version.split("."))


def _pip(*words: str) -> str:
    """What pip says; "" where it fails. Exits with one line if there is no pip at all."""
    done = subprocess.run([*_PIP, *words], capture_output=True, text=True, check=False, timeout=300)
    if done.returncode and "No module named pip" in done.stderr:
        sys.exit(_NO_PIP)
    return "" if done.returncode else done.stdout


def versions(package: str, cache: Path) -> list[str]:
    """All final releases there are, oldest first."""
    kept = cache / "versions" / f"{package}.json"
    if not kept.exists():
        said = _pip("index", "versions", package)
        line = next((line for line in said.split("\n") if line.startswith("Available versions:")), "")
        found = [part.strip() for part in line.partition(":")[2].split(",")]
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_text(json.dumps([v for v in found if re.fullmatch(r"\d+(?:\.\d+)+", v)]))
    return sorted(json.loads(kept.read_text()), key=key)


def changelog(package: str, cache: Path) -> dict[str, list[str]]:
    """Entries by version, of every changelog in the newest source archive."""
    folder = cache / "sdists" / package
    if not folder.exists():
        _pip("download", "-q", "--no-deps", "--no-binary", ":all:", "-d", str(folder), package)
    found: dict[str, list[str]] = {}
    for archive in sorted(folder.glob("*.tar.gz")):
        with tarfile.open(archive) as tar:
            for member in tar:
                inside = member.name.partition("/")[2]
                if member.isfile() and member.size < 8_000_000 and _CHANGELOG.search("/" + inside):
                    file = tar.extractfile(member)
                    text = file.read().decode("utf-8", "replace") if file else ""
                    for version, entries in changelogs.sections(text).items():
                        if entries:
                            found.setdefault(version, entries)
    return found


def pairs(package: str, cache: Path) -> list[Pair]:
    """The newest patch releases with a single entry, at most ten, newest first."""
    said = changelog(package, cache)
    every = versions(package, cache)
    known = {key(version): version for version in every}
    out: list[Pair] = []
    for version in sorted(said, key=key, reverse=True):
        entries = said[version]
        real = known.get(key(version))
        if real is None or len(entries) != 1 or not 40 <= len(entries[0]) <= 3000:
            continue
        if _NOT_CODE.search(entries[0]):
            continue
        place = every.index(real)
        if len(key(real)) < 3 or key(real)[2] == 0 or place == 0 or key(every[place - 1])[:2] != key(real)[:2]:
            continue
        out.append(Pair(package=package, old=every[place - 1], new=real, request=entries[0]))
    return out[:MOST_OF_ONE]


def wheel(package: str, version: str, cache: Path) -> Path | None:
    """The release's wheel, or None if there is none to be had."""
    folder = cache / "wheels" / f"{package}-{version}"
    if not folder.exists():
        _pip("download", "-q", "--no-deps", "--only-binary", ":all:", "-d", str(folder), f"{package}=={version}")
    return next(iter(sorted(folder.glob("*.whl"))), None)


def sources(archive: Path) -> dict[str, bytes]:
    """The source files in a wheel."""
    with zipfile.ZipFile(archive) as opened:
        return {
            info.filename: opened.read(info)
            for info in opened.infolist()
            if info.filename.endswith(SOURCES)
            and ".dist-info/" not in info.filename
            and info.file_size < 2_000_000
        }


def changed(old: dict[str, bytes], new: dict[str, bytes]) -> tuple[str, ...]:
    """The source files of the package that a release changed, but for those that only say which release it is.

    () where those are more than four, or more than 300 lines differ: then one entry does not tell all of it.
    """
    found = tuple(
        path
        for path in sorted(old)
        if path in new and old[path] != new[path] and not is_aside(path)
        if any(not _ONLY_RELEASE.search(line) for line in _differing(old[path], new[path]))
    )
    lines = sum(len(list(_differing(old[path], new[path]))) for path in found)
    return found if len(found) <= MOST_FILES and lines <= MOST_LINES else ()


def is_aside(path: str) -> bool:
    """Whether a path is none of the package's own sources: tests, vendored code, what only names the release."""
    return _RELEASE_FILES.search(path) is not None


def _differing(old: bytes, new: bytes) -> Iterator[str]:
    before, after = (data.decode("utf-8", "replace").split("\n") for data in (old, new))
    yield from set(before) ^ set(after)


def gather(names: Sequence[str], cache: Path) -> dict[str, object]:
    """The manifest: releases and their digests by package, with the pairs that are cases."""
    manifest: dict[str, object] = {}
    with ThreadPoolExecutor(3) as pool:
        found = dict(zip(names, pool.map(lambda name: pairs(name, cache), names), strict=True))
        wanted = sorted({(p.package, v) for ps in found.values() for p in ps for v in (p.old, p.new)})
        wheels = dict(zip(wanted, pool.map(lambda one: wheel(*one, cache), wanted), strict=True))
    for name, own in found.items():
        cases = []
        for pair in own:
            old, new = wheels[name, pair.old], wheels[name, pair.new]
            if old is None or new is None:
                continue
            truth = changed(sources(old), sources(new))
            if truth:
                cases.append([pair.old, pair.new])
        if cases:
            used = sorted({version for case in cases for version in case}, key=key)
            digests = {v: hashlib.sha256(path.read_bytes()).hexdigest() for v in used if (path := wheels[name, v])}
            manifest[name] = {"wheels": digests, "cases": cases}
        print(f"{name}: {len(cases)} of {len(own)}", flush=True)
    return manifest


def main() -> None:
    names = Path(sys.argv[1]).read_text().split()
    cache = Path(sys.argv[2])
    MANIFEST.write_text(json.dumps(gather(names, cache), indent=1) + "\n")


if __name__ == "__main__":
    main()
