"""Real fixes with their own words: upstream commits that a distribution carries as patches of source packages.

`python -m bench.localize.packages NAMES CACHE` chooses them by rule and writes patches.json: package names, versions,
digests and names of patches alone. What they say and change is fetched with apt, by name, from the archive the machine
is set up for, which has to be Debian's; its other suites are asked too.
"""

import hashlib
import json
import os
import re
import subprocess
import sys
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePath

from bench.localize.cases import Case
from bench.localize.patches import SOURCES, Patch, is_kept, is_source, read
from bench.repositories import git

MANIFEST = Path(__file__).with_name("patches.json")
SUITES = ("bullseye", "bookworm", "trixie", "sid")
MOST_OF_ONE = 6
MOST_ARCHIVE_BYTES = 12_000_000
MOST_SOURCES = 4_000
_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
_TOGETHER = 40
_ROUNDS = 3
_FIXED = {
    "GIT_AUTHOR_NAME": "Bench",
    "GIT_AUTHOR_EMAIL": "bench@localhost",
    "GIT_AUTHOR_DATE": "1500000000 +0000",
    "GIT_COMMITTER_NAME": "Bench",
    "GIT_COMMITTER_EMAIL": "bench@localhost",
    "GIT_COMMITTER_DATE": "1500000000 +0000",
}


class Archive:
    """The source packages of the distribution this machine is, fetched with apt into a folder of our own."""

    def __init__(self, cache: Path) -> None:
        """Reads the lists of packages, once for each cache. Exits with one line where there is no such archive."""
        cache = cache.resolve()
        self._files = cache / "packages"
        own = cache / "apt"
        for folder in (self._files, own / "lists" / "partial", own / "cache" / "archives" / "partial"):
            folder.mkdir(parents=True, exist_ok=True)
        listed = own / "sources.list"
        self._options = (
            *("-o", f"Dir::Etc::sourcelist={listed}", "-o", "Dir::Etc::sourceparts=-"),
            *("-o", f"Dir::State::lists={own / 'lists'}", "-o", f"Dir::Cache={own / 'cache'}"),
            *("-o", "Dir::Cache::srcpkgcache=srcpkgcache.bin", "-o", "APT::Sandbox::User=root"),
        )
        if not listed.exists():
            listed.write_text("".join(_sources()))
            if not self._apt("update", "-q"):
                listed.unlink()
                sys.exit("apt-get update could not read the lists of source packages; try again with a network")

    def fetch(self, wanted: Sequence[tuple[str, str]], *, changes_only: bool = False) -> None:
        """Source packages by name and version into the cache; of some only the distribution's own part."""
        how = ("--diff-only",) if changes_only else ()
        needed = ("debian",) if how else ("debian", "orig")
        missing = [one for one in wanted if not all(self.part(*one, which) for which in needed)]
        for first in range(0, len(missing), _TOGETHER):
            some = [f"{name}={version}" for name, version in missing[first : first + _TOGETHER]]
            argv = ("source", "-q", "--download-only", "--only-source", *how)
            if not self._apt(*argv, *some, into=self._files):
                for name, version in missing[first : first + _TOGETHER]:  # one that is unknown stops all
                    if not all(self.part(name, version, which) for which in needed):
                        self._apt(*argv, f"{name}={version}", into=self._files)

    def versions(self, names: Sequence[str]) -> list[tuple[str, str, int]]:
        """Name, version and bytes of the source of packages; of those on one upstream version only the newest."""
        argv = ("apt-cache", *self._options, "showsrc", "--only-source", *names)
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        said = done.stdout
        if done.returncode:
            sys.exit(done.stderr.strip())  # names the package there is none of
        found: dict[tuple[str, str], tuple[str, str, int]] = {}
        for part in said.split("\n\n"):
            name, version, form = (
                match[1] if (match := re.search(rf"^{field}: (\S+.*)$", part, re.MULTILINE)) else ""
                for field in ("Package", "Version", "Format")
            )
            sizes = [
                int(size) for size in re.findall(r"^ [0-9a-f]{64} (\d+) \S+\.orig\.tar\.\w+$", part, re.MULTILINE)
            ]
            place = (name, version.rpartition("-")[0])
            if form == "3.0 (quilt)" and sizes:
                found[place] = max(found.get(place, (name, "", 0)), (name, version, sizes[0]), key=_order)
        return list(found.values())

    def part(self, name: str, version: str, which: str) -> Path | None:
        """The archive of the upstream source (`orig`) or of what the distribution adds (`debian`), if it is there."""
        plain = version.partition(":")[2] or version
        wanted = plain.rpartition("-")[0] if which == "orig" else plain
        found = [path for path in self._files.glob(f"{name}_{wanted}.{which}.tar.*") if path.suffix != ".asc"]
        return found[0] if found else None

    def _apt(self, *words: str, into: Path | None = None) -> bool:
        done = subprocess.run(("apt-get", *self._options, *words), cwd=into, capture_output=True, check=False)
        return done.returncode == 0


def _order(one: tuple[str, str, int]) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", one[1])]


def _sources() -> list[str]:
    """Lines of a sources.list for the suites, at the places the machine fetches its own packages from."""
    argv = ("apt-get", "indextargets", "--format", "$(ORIGIN) $(REPO_URI) $(RELEASE)", "Created-By: Packages")
    try:
        said = subprocess.run(argv, capture_output=True, text=True, check=False).stdout
    except OSError:
        said = ""
    places = {
        release.endswith("-security"): uri for origin, uri, release in map(str.split, _whole(said)) if origin
    }
    if not places or not _KEYRING.exists():
        sys.exit("no apt set up for Debian's archive, so no source package can be fetched")
    lines = []
    for security, uri in places.items():
        suites = [f"{suite}-security" for suite in SUITES if suite != "sid"] if security else SUITES
        lines += [f"deb-src [signed-by={_KEYRING}] {uri} {suite} main\n" for suite in suites]
    return lines


def _whole(said: str) -> list[str]:
    return [line for line in said.split("\n") if line.startswith("Debian ") and len(line.split()) == 3]


def series(archive: Path) -> dict[str, str]:
    """The patches of a source package by name, in the order they are applied."""
    with tarfile.open(archive) as tar:
        inside = {member.name.removeprefix("./"): member for member in tar if member.isfile()}

        def text(path: str) -> str:
            file = tar.extractfile(inside[path]) if path in inside else None
            return file.read().decode("utf-8", "replace") if file else ""

        listed = [line.split("#")[0].split() for line in text("debian/patches/series").split("\n")]
        names = [words[0] for words in listed if words]
        return {name: said for name in names if (said := text(f"debian/patches/{name}"))}


def sources(archive: Path) -> dict[str, bytes]:
    """The source files of an upstream archive by path, without its one folder."""
    found = {}
    with tarfile.open(archive) as tar:
        for member in tar:
            path = str(PurePath(member.name))
            if member.isfile() and is_kept(path) and member.size < 2_000_000 and not re.search(r'[\n"\\]', path):
                file = tar.extractfile(member)
                if file:
                    found[path] = file.read()
    tops = {path.partition("/")[0] for path in found}
    if len(tops) == 1 and all("/" in path for path in found):
        return {path.partition("/")[2]: data for path, data in found.items()}
    return found


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def fixes(archive: Archive, name: str, version: str, chosen: Sequence[str], cache: Path) -> Iterator[Case]:
    """The chosen patches of one source package as cases, those that can be applied as they stand."""
    debian, orig = archive.part(name, version, "debian"), archive.part(name, version, "orig")
    if debian is None or orig is None:
        return
    every = series(debian)
    directory = cache / "fixes" / f"{name}_{version.replace(':', '_')}"
    marks = directory / "fixes.json"
    if not marks.exists() or (kept := json.loads(marks.read_text()))["chosen"] != list(chosen):
        commits = _repository(directory, sources(orig), every, chosen)
        kept = {"chosen": list(chosen), "commits": commits}
        marks.write_text(json.dumps(kept))
    for patch, (base, tip) in kept["commits"].items():
        paths = git(directory, "ls-tree", "-r", "--name-only", "-z", base).split("\0")
        changed = git(directory, "diff-tree", "-r", "--name-status", "-z", base, tip).split("\0")
        states = list(zip(changed[::2], changed[1::2], strict=False))
        fix = read(patch, every[patch])
        truth = tuple(path for state, path in states if state == "M" and is_source(path))
        if fix and truth:
            yield Case(
                package=name,
                version=f"{version} {patch}",
                repository=directory,
                base=base,
                tip=tip,
                request=fix.request,
                truth=truth,
                size=sum(map(is_source, paths)),
                is_own=is_source,
            )


def cases(cache: Path, packages: Sequence[str] = ()) -> Iterator[Case]:
    """Every case of the manifest whose source package is to be had as it was when it was chosen."""
    manifest: dict[str, dict[str, dict[str, list[str]]]] = json.loads(MANIFEST.read_text())
    wanted = [
        (name, version) for name, of in manifest.items() for version in of if name in packages or not packages
    ]
    archive = Archive(cache)
    archive.fetch(wanted)
    for name, version in wanted:
        known = manifest[name][version]
        parts = [archive.part(name, version, which) for which in ("debian", "orig")]
        if [digest(part) if part else "" for part in parts] != known["sha256"]:
            print(f"# {name} {version} is not to be had as it was measured", file=sys.stderr)
            continue
        yield from fixes(archive, name, version, known["patches"], cache)


def _repository(
    directory: Path, files: Mapping[str, bytes], patches: Mapping[str, str], chosen: Sequence[str]
) -> dict[str, tuple[str, str]]:
    """For each chosen patch the commit before it, which has no past, and the one with it.

    The patches that come before one are in its base, but no commit tells of them.
    """
    subprocess.run(["rm", "-rf", str(directory)], check=True)
    directory.mkdir(parents=True)
    git(directory, "init", "-q", "--bare", "-b", "main", ".")
    stream = [b"commit refs/heads/main\ncommitter Bench <bench@localhost> 1500000000 +0000\ndata 6\nsource\n"]
    for path, data in files.items():
        stream.append(b"M 100644 inline %s\ndata %d\n%s\n" % (path.encode(), len(data), data))
    git(directory, "fast-import", "--quiet", stdin=b"".join(stream))
    git(directory, "read-tree", "main")
    found: dict[str, tuple[str, str]] = {}
    tree = git(directory, "write-tree")
    for name, text in patches.items():
        if len(found) == len(chosen):
            break
        before, tree = tree, _applied(directory, text, tree)
        if name in chosen and tree != before:
            base = _commit(directory, before)
            found[name] = (base, _commit(directory, tree, "-p", base))
    return found


def _applied(directory: Path, text: str, tree: str) -> str:
    """The tree with a patch applied to its source files; the same one where it does not fit exactly."""
    try:
        only = [f"--include=*{ending}" for ending in SOURCES]
        git(directory, "apply", "--cached", "--whitespace=nowarn", *only, "-", stdin=text.encode(errors="replace"))
    except RuntimeError:
        git(directory, "read-tree", tree)
        return tree
    return git(directory, "write-tree")


def _commit(directory: Path, tree: str, *words: str) -> str:
    argv = ("git", "commit-tree", tree, *words, "-m", "source")
    done = subprocess.run(argv, cwd=directory, env=os.environ | _FIXED, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def chosen(found: Mapping[str, Sequence[Patch]]) -> dict[str, list[str]]:
    """The names of patches by version: each fix once, at most six of a package, by the digest of their titles."""
    taken: dict[str, list[str]] = {}
    titles: set[str] = set()
    every = sorted(
        ((version, patch) for version, patches in found.items() for patch in patches),
        key=lambda one: hashlib.sha256(_title(one[1]).encode()).hexdigest(),
    )
    # The version with most of them first, so that few sources have to be fetched.
    for version in sorted(found, key=lambda version: (-len(found[version]), version)):
        for own, patch in every:
            if own == version and _title(patch) not in titles and len(titles) < MOST_OF_ONE:
                titles.add(_title(patch))
                taken.setdefault(version, []).append(patch.name)
    return taken


def _title(patch: Patch) -> str:
    return re.sub(r"\W+", " ", patch.request.partition("\n")[0]).strip().lower()


def gather(names: Sequence[str], cache: Path) -> dict[str, object]:
    """The manifest: versions and digests by package, with the patches that are cases."""
    archive = Archive(cache)
    small = [(name, version) for name, version, size in archive.versions(names) if size <= MOST_ARCHIVE_BYTES]
    archive.fetch(small, changes_only=True)
    read_from: dict[tuple[str, str], list[Patch]] = {}
    for name, version in small:
        if part := archive.part(name, version, "debian"):
            read_from[name, version] = [fix for patch, text in series(part).items() if (fix := read(patch, text))]
    wanted: list[tuple[str, str, list[str]]] = []
    for _ in range(_ROUNDS):  # what is chosen may not be to be had; then the same fix of another version
        wanted = []
        for name in sorted({name for name, _ in read_from}):
            found = {version: fixes for (own, version), fixes in read_from.items() if own == name}
            wanted += [(name, version, patches) for version, patches in chosen(found).items()]
        archive.fetch([(name, version) for name, version, _ in wanted])
        for name, version, _ in wanted:
            if not archive.part(name, version, "orig"):
                del read_from[name, version]
    manifest: dict[str, dict[str, object]] = {}
    for name, version, patches in wanted:
        fitting = [
            case.version.partition(" ")[2]
            for case in fixes(archive, name, version, patches, cache)
            if case.size <= MOST_SOURCES
        ]
        if fitting:
            parts = [archive.part(name, version, which) for which in ("debian", "orig")]
            digests = [digest(part) for part in parts if part]
            manifest.setdefault(name, {})[version] = {"sha256": digests, "patches": fitting}
        print(f"{name} {version}: {len(fitting)} of {len(patches)}", flush=True)
    return manifest


def main() -> None:
    names = Path(sys.argv[1]).read_text().split()
    MANIFEST.write_text(json.dumps(gather(names, Path(sys.argv[2])), indent=1) + "\n")


if __name__ == "__main__":
    main()
