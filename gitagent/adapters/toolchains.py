"""What of a user's machine a project's language needs besides /usr: its toolchain, and packages fetched before.

Only these directories are named, never a whole home: beside them lie files with tokens (`~/.cargo/credentials.toml`,
`~/.npmrc`, `~/.m2/settings.xml`).
"""

import glob
import hashlib
import os
import shutil
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

_PROGRAMS = {
    "package.json": ("node", "npm"),
    "Cargo.toml": ("cargo", "rustc"),
    "go.mod": ("go",),
    "pom.xml": ("mvn", "java"),
    "build.gradle": ("gradle", "java"),
    "build.gradle.kts": ("gradle", "java"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Toolchains:
    """Host directories to read, the directories of programs among them, and variables that say where things are.

    `modules` is the checkout's installed `node_modules`, to appear in the tree; "" if there is none.
    """

    read_only: tuple[str, ...] = ()
    programs: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    modules: str = ""
    digest: str = ""


def find(
    paths: Collection[str], repository: str | None = None, environ: Mapping[str, str] | None = None
) -> Toolchains:
    """The toolchains of a project with these files at its root, where they are outside /usr.

    `node_modules` among the tracked `paths` are in the tree anyway.
    """
    environ = os.environ if environ is None else environ
    home = environ.get("HOME", "")
    shown: list[str] = []
    bins: list[str] = []
    variables: dict[str, str] = {}
    facts: list[str] = []
    for manifest, names in _PROGRAMS.items():
        for name in names if manifest in paths else ():
            if program := shutil.which(name, path=environ.get("PATH")):
                facts.append(_mark(os.path.realpath(program)))
                for place in dict.fromkeys((os.path.dirname(program), os.path.dirname(os.path.realpath(program)))):
                    if not (place + "/").startswith(("/usr/", "/bin/", "/sbin/")):
                        # An unpacked toolchain has its libraries beside its bin; a folder of programs has not.
                        whole = name != "cargo" and name != "rustc" and os.path.basename(place) == "bin"
                        root = os.path.dirname(place)
                        shown.append(root if whole and root not in ("/", home, f"{home}/.local") else place)
                        bins.append(place)
    if "Cargo.toml" in paths:
        cargo = environ.get("CARGO_HOME") or f"{home}/.cargo"
        rustup = environ.get("RUSTUP_HOME") or f"{home}/.rustup"
        shown += [f"{cargo}/bin", f"{cargo}/registry", f"{cargo}/git", rustup]
        variables |= {"CARGO_HOME": cargo} if os.path.isdir(cargo) else {}
        variables |= {"RUSTUP_HOME": rustup} if os.path.isdir(rustup) else {}
        facts.append(_mark(f"{rustup}/settings.toml"))
    if "go.mod" in paths:
        fetched = environ.get("GOMODCACHE") or f"{environ.get('GOPATH') or home + '/go'}/pkg/mod"
        variables |= {"GOPROXY": "off", "GOTOOLCHAIN": "local"}
        if os.path.isdir(fetched):
            shown.append(fetched)
            variables["GOMODCACHE"] = fetched
        if own := environ.get("GOROOT"):
            shown.append(own)
            variables["GOROOT"] = own
    if {"pom.xml", "build.gradle", "build.gradle.kts"} & set(paths):
        shown += glob.glob("/etc/java-*-openjdk")  # a Debian Java reads its configuration from there
        if java := environ.get("JAVA_HOME"):
            shown.append(java)
            variables["JAVA_HOME"] = java
        fetched = f"{home}/.m2/repository"
        if "pom.xml" in paths and os.path.isdir(fetched):
            shown.append(fetched)
            variables["MAVEN_OPTS"] = f"-Dmaven.repo.local={fetched}"
    modules = os.path.join(repository, "node_modules") if repository and "package.json" in paths else ""
    if not os.path.isdir(modules) or any(path.startswith("node_modules/") for path in paths):
        modules = ""
    if modules:
        facts.append(_mark(modules) + _text(f"{modules}/.package-lock.json"))
    return Toolchains(
        read_only=tuple(dict.fromkeys(path for path in shown if os.path.isdir(path))),
        programs=tuple(dict.fromkeys(bins)),
        environment=variables,
        modules=modules,
        digest=hashlib.sha256("\0".join(facts).encode("utf-8", "surrogateescape")).hexdigest() if facts else "",
    )


def _mark(path: str) -> str:
    try:
        found = os.stat(path)
    except OSError:
        return path
    return f"{path} {found.st_size} {found.st_mtime_ns}"


def _text(path: str) -> str:
    """What npm wrote down about what it installed."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read(16 * 1024**2)
    except OSError:
        return ""


def link_modules(modules: str, tree: str, shown: str = "") -> None:
    """Make `node_modules` in a tree of links to what is installed in the checkout, which is `shown` elsewhere inside.

    The directory itself is the tree's own, since runners keep caches in it. Links of a workspace into its own packages
    stay as they are, so that they lead into the tree.
    """
    target = os.path.join(tree, "node_modules")
    if modules and not os.path.lexists(target):
        _link_below(modules, target, shown or modules)


def _link_below(source: str, target: str, shown: str) -> None:
    os.mkdir(target)
    with os.scandir(source) as entries:
        for entry in entries:
            place = os.path.join(target, entry.name)
            if entry.is_symlink():
                os.symlink(os.readlink(entry.path), place)
            elif entry.is_dir() and (entry.name.startswith("@") or entry.name == ".bin"):
                _link_below(entry.path, place, f"{shown}/{entry.name}")
            elif not entry.name.startswith("."):
                os.symlink(f"{shown}/{entry.name}", place)
