"""Keeps `.venv` as the lock files say, then becomes the command it was given.

    scripts/with LAYER COMMAND...    LAYER: core (demo), lint, local (adds local models), test (everything)
    scripts/with core --sandbox ...  also sees to something that can run tests apart from this machine
    scripts/with lock                resolves the lock files in requirements/ again

A layer is installed once: a stamp in the environment holds the digest of what it was made from, and while that
matches, nothing is asked of anything. Every package is held to the digest in its lock file. llama-cpp-python is
published as source; its wheel is built once per machine and kept in the user's cache.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = Path(os.environ.get("GITAGENT_VENV") or ROOT / ".venv").absolute()
PYTHON = VENV / "bin" / "python"
LOCKS = ROOT / "requirements"
LOGS = ROOT / ".cache"
OURS = ".made-by-gitagent"
LLAMA = "llama"

# What each layer installs, and which other layers have it in them.
LAYERS = {
    "core": ("core",),
    "lint": ("dev",),
    "local": ("core", "local", LLAMA),
    "test": ("dev", LLAMA),
}
CONTAINED_IN = {
    "core": ("core", "local", "lint", "test"),
    "lint": ("lint", "test"),
    "local": ("local", "test"),
    "test": ("test",),
}


def main(arguments: list[str]) -> int:
    if arguments == ["lock"]:
        return lock()
    if not arguments or arguments[0] not in LAYERS:
        return told("usage: scripts/with core|lint|local|test COMMAND...")
    layer, command = arguments[0], arguments[1:]
    try:
        if not any(is_stamped(each) for each in CONTAINED_IN[layer]):
            bring_up(layer)
        if command[:1] == ["--sandbox"]:
            command = command[1:]
            see_to_a_sandbox()
    except SetupError as error:
        return told(*error.args)
    except KeyboardInterrupt:
        told("interrupted", "run it again, it goes on where it was")
        return 130
    return become(command) if command else 0


class SetupError(Exception):
    """Something only the user can mend; the second argument is the hint."""


def become(command: list[str]) -> int:
    """Replaces this process, with the environment first on the PATH."""
    environment = os.environ | {
        "PATH": f"{VENV / 'bin'}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        "VIRTUAL_ENV": str(VENV),
    }
    environment.pop("PYTHONHOME", None)
    sys.stdout.flush()
    try:
        os.execvpe(command[0], command, environment)
    except OSError as error:
        return told(f"{command[0]}: {error.strerror}")


# --- stamps -------------------------------------------------------------------------------------------------


def is_stamped(layer: str) -> bool:
    try:
        return stamp(layer).read_text() == digest(layer) and PYTHON.exists()
    except OSError:
        return False


def stamp(layer: str) -> Path:
    return VENV / f".layer-{layer}"


def digest(layer: str) -> str:
    """Of all a layer is made from; the place counts too, since scripts in an environment name it."""
    import hashlib

    sources = [ROOT / "pyproject.toml", Path(__file__)]
    sources += [LOCKS / f"{name}.lock" for name in LAYERS[layer]]
    if LLAMA in LAYERS[layer]:
        sources += [ROOT / "gitagent" / "local_build.py", ROOT / "gitagent" / "local_build.cmake"]
    total = hashlib.sha256(f"{ROOT}\0{VENV}\0{sys.version_info[:2]}\0".encode())
    for source in sources:
        total.update(hashlib.sha256(source.read_bytes()).digest())
    return total.hexdigest()


# --- the environment ----------------------------------------------------------------------------------------


def bring_up(layer: str) -> None:
    """Makes the environment if need be, and installs what the layer lacks. One such process at a time."""
    import fcntl

    say(f"setting up {VENV.name} for `{layer}` with Python {sys.version.split()[0]}")
    LOGS.mkdir(exist_ok=True)
    with open(LOGS / "setup.lock", "w") as waiting:
        fcntl.flock(waiting, fcntl.LOCK_EX)
        if is_stamped(layer):
            return
        make_environment()
        for name in LAYERS[layer]:
            if name == LLAMA:
                install_llama()
            else:
                install_locked(name)
        run_pip(
            "install gitagent itself",
            ["install", "--no-deps", "--no-build-isolation", "--quiet", "--editable", str(ROOT)],
            "project",
        )
        compile_all()
        stamp(layer).write_text(digest(layer))


def make_environment() -> None:
    if VENV.exists() and not runs([str(PYTHON), "-I", "-c", "import pip"]):
        if not (VENV / OURS).exists() and any(VENV.iterdir()):
            raise SetupError(f"{VENV} has no working Python with pip, and was not made here", f"rm -r {VENV}")
        import shutil

        shutil.rmtree(VENV)
    if PYTHON.exists():
        return
    # Not sys.executable: that may be the environment just removed, or another one that is activated.
    host = getattr(sys, "_base_executable", None) or sys.executable
    if not runs([host, "-I", "-c", "import ensurepip, venv"]):
        version = f"{sys.version_info[0]}.{sys.version_info[1]}"
        if not install_system_package(f"python{version}-venv", "Python's venv"):
            raise SetupError(
                f"{host} lacks the standard modules venv and ensurepip. Nothing was changed.",
                f"apt-get install python{version}-venv (Debian, Ubuntu), then the same command again",
            )
    VENV.mkdir(parents=True, exist_ok=True)
    (VENV / OURS).touch()
    run("make the environment", [host, "-I", "-m", "venv", str(VENV)], "venv")


def install_locked(name: str) -> None:
    path = LOCKS / f"{name}.lock"
    count = sum("==" in line for line in path.read_text().splitlines())
    # The lock is complete, so nothing is resolved; all is compiled at the end, on every processor.
    arguments = ["install", "--require-hashes", "--no-deps", "--no-compile", "--progress-bar=off", f"-r{path}"]
    marks = r"^(?:Collecting|Requirement already|Ignoring) .*"
    run_pip(f"install {count} packages", arguments, name, marks=marks, total=count)


def compile_all() -> None:
    """Bytecode for all there is. In a sandbox nothing can be written beside the sources, so it would never be made
    where it is needed most; and some environments tell Python to write none.
    """
    libraries = VENV / "lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}" / "site-packages"
    # Some packages ship files that are no Python of this version; those are nobody's loss.
    script = "import compileall, sys; [compileall.compile_dir(each, quiet=2, workers=0) for each in sys.argv[1:]]"
    run("compile", [str(PYTHON), "-I", "-c", script, str(libraries), str(ROOT / "gitagent")], "compile")


def run_pip(what: str, arguments: list[str], log: str, **progress: object) -> None:
    pip = [str(PYTHON), "-I", "-m", "pip", "--no-input", "--disable-pip-version-check"]
    run(what, [*pip, *arguments], log, **progress)


# --- llama-cpp-python ---------------------------------------------------------------------------------------


def install_llama() -> None:
    """Installs the wheel this machine's cache has, building it first where it has none."""
    folder = wheel_folder()
    wheel = next(iter(sorted(folder.glob("*.whl"))), None) or build_llama(folder)
    run_pip("install local models", ["install", "--no-deps", "--quiet", "--force-reinstall", str(wheel)], LLAMA)
    if not runs([str(PYTHON), "-I", "-c", "import llama_cpp"]):
        wheel.unlink()
        raise SetupError(f"{wheel} was built but cannot be imported; it was removed", "make local builds it again")


def wheel_folder() -> Path:
    """In the user's cache; named after all that shapes the machine code."""
    import hashlib
    import platform

    facts = [(LOCKS / f"{LLAMA}.lock").read_text(), switches(), cpu_features()]
    facts += [platform.system(), platform.machine(), *platform.libc_ver()]
    key = hashlib.sha256("\0".join(facts).encode()).hexdigest()[:16]
    return user_cache() / "wheels" / f"{LLAMA}-{key}"


def build_llama(folder: Path) -> Path:
    import shutil
    import tempfile

    compilers = (os.environ.get("CXX") or "c++", "g++", "clang++")
    if not any(map(shutil.which, compilers)) and not install_system_package("g++", "a C++ compiler"):
        raise SetupError("local models are compiled, and no C++ compiler is on the PATH", "apt-get install g++")
    building = constants()
    say(f"compiling llama-cpp-python from source: {building['HOW_LONG']}; then {folder} keeps it")
    # Linux alone tells how many processors are ours. One compiler takes up to about 1 GiB.
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    jobs = max(1, min(processors, os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 30))
    environment = os.environ | {"CMAKE_ARGS": building["cmake_args"](), "CMAKE_BUILD_PARALLEL_LEVEL": str(jobs)}
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as fresh:
        # Past pip's own cache of built wheels, whose key knows nothing of our switches.
        arguments = [
            "wheel",
            "-v",
            "--no-cache-dir",
            "--no-deps",
            "--no-binary=llama-cpp-python",
            "--require-hashes",
        ]
        arguments += [f"--wheel-dir={fresh}", "-r", str(LOCKS / f"{LLAMA}.lock")]
        marks = r"^\s*\[(\d+)/(\d+)\]"
        run_pip("compile llama.cpp", arguments, LLAMA, marks=marks, environment=environment)
        built = next(Path(fresh).glob("*.whl"))
        return built.replace(folder / built.name)


def constants() -> dict[str, object]:
    """The names in gitagent/local_build.py, read without importing the package."""
    import runpy

    return runpy.run_path(str(ROOT / "gitagent" / "local_build.py"))


def switches() -> str:
    names = constants()
    return "\n".join([*names["SWITCHES"], Path(names["LEAN_CMAKE"]).read_text()])


def cpu_features() -> str:
    """What this processor can do, which is what the compiler builds for."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        import platform

        return platform.processor()
    features = next((line for line in lines if line.lower().startswith(("flags", "features"))), "")
    return " ".join(sorted(features.partition(":")[2].split()))


def user_cache() -> Path:
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "gitagent"
    try:
        base.mkdir(parents=True, exist_ok=True)
    except OSError:
        base = LOGS / "gitagent"
    return base


# --- the machine --------------------------------------------------------------------------------------------


def see_to_a_sandbox() -> None:
    """Installs bubblewrap where neither it nor an image of ours in a container engine is there, if we may."""
    import shutil

    if shutil.which("bwrap") or sys.platform != "linux":
        return
    engine = next((name for name in ("docker", "podman") if shutil.which(name) and runs([name, "info"])), None)
    if engine and runs([engine, "image", "inspect", "gitagent-base"]):
        return
    if not install_system_package("bubblewrap", "a sandbox for the tests") and not engine:
        say("no sandbox for the tests: neither bubblewrap nor a running Docker or Podman is here")
        say("hint: apt-get install bubblewrap (or your system's package of that name)")


def install_system_package(package: str, purpose: str) -> bool:
    """True if it is installed now; only where apt-get is and root, or sudo without a password, allows it."""
    import shutil

    if not shutil.which("apt-get"):
        return False
    before: list[str] = []
    if os.geteuid() != 0:
        if not shutil.which("sudo") or not runs(["sudo", "-n", "true"]):
            return False
        before = ["sudo", "-n"]
    say(f"installing {package} ({purpose}) with apt-get")
    apt = [*before, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get"]
    install = [*apt, "install", "-y", "--no-install-recommends", package]
    return runs(install) or (runs([*apt, "update"]) and runs(install))


# --- running things -----------------------------------------------------------------------------------------


def runs(command: list[str]) -> bool:
    import subprocess

    try:
        return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True).returncode == 0
    except OSError:
        return False


def run(
    what: str,
    command: list[str],
    log: str,
    *,
    marks: str = "",
    total: int = 0,
    environment: dict[str, str] | None = None,
) -> None:
    """Runs it, output in a log, progress on one line. Raises SetupError, the log's end shown, if it fails."""
    import subprocess

    LOGS.mkdir(exist_ok=True)
    path = LOGS / f"setup-{log}.log"
    with open(path, "wb") as out, Progress(what) as progress:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment,
            cwd=ROOT,
        )
        try:
            follow(process, out, progress, marks, total)
        finally:
            process.kill()
            process.wait()
    if process.returncode:
        for line in path.read_text(errors="replace").splitlines()[-25:]:
            say(f"  {line}")
        raise SetupError(f"could not {what} (exit code {process.returncode})", f"the whole log is {path}")


def follow(process: object, out: object, progress: Progress, marks: str, total: int) -> None:
    """Copies a process's output into the log, ticking all the while, and ends with it."""
    import re
    import selectors

    mark, done, rest = re.compile(marks or r"(?!)"), 0, b""
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while True:
            if selector.select(timeout=0.5):
                piece = os.read(process.stdout.fileno(), 1 << 16)
                if not piece:
                    break
                out.write(piece)
                *lines, rest = (rest + piece).split(b"\n")
                for match in filter(None, (mark.search(line.decode(errors="replace")) for line in lines)):
                    done, total = map(int, match.groups()) if match.groups() else (done + 1, total)
            progress.tick(done, total)
    process.wait()


class Progress:
    """One line that tells what goes on: rewritten on a terminal, said again every few seconds elsewhere."""

    def __init__(self, what: str) -> None:
        from time import monotonic

        self.clock, self.what, self.live = monotonic, what, sys.stderr.isatty()
        self.began = self.said = monotonic()

    def __enter__(self) -> Progress:
        self.write(f"{self.what} ...")
        return self

    def tick(self, done: int, total: int) -> None:
        now = self.clock()
        if now - self.said >= (0.2 if self.live else 10):
            self.said = now
            count = f"{min(done, total)}/{total}, " if total and done else ""
            self.write(f"{self.what} ... {count}{now - self.began:.0f} s")

    def __exit__(self, *exception: object) -> None:
        ended = "gave up" if exception[0] else "ended"
        self.write(f"{self.what}: {ended} after {self.clock() - self.began:.1f} s", last=True)

    def write(self, text: str, *, last: bool = False) -> None:
        if self.live:
            sys.stderr.write(f"\r\033[Ksetup: {text}" + ("\n" if last else ""))
        else:
            sys.stderr.write(f"setup: {text}\n")
        sys.stderr.flush()


def say(text: str) -> None:
    print(f"setup: {text}", file=sys.stderr, flush=True)


def told(error: str, hint: str = "") -> int:
    print(f"error: {error}" + (f"\nhint: {hint}" if hint else ""), file=sys.stderr, flush=True)
    return 1


# --- lock files ---------------------------------------------------------------------------------------------


def lock() -> int:
    """Resolves everything together for every Python and platform we support, then cuts the parts out of it."""
    import shutil
    import tempfile
    import tomllib

    uv = shutil.which("uv")
    if uv is None:
        bring_up("core")
        run_pip("install uv", ["install", "--quiet", "uv"], "uv")
        uv = str(VENV / "bin" / "uv")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    with tempfile.TemporaryDirectory() as folder:
        # Editable installs ask hatchling for `editables` too.
        build = Path(folder) / "build.in"
        build.write_text("\n".join([*project["build-system"]["requires"], "editables", ""]))
        source = Path(folder) / "llama.in"
        local = project["project"]["optional-dependencies"]["local"]
        source.write_text("".join(f"{each}\n" for each in local if each.startswith("llama-cpp-python")))
        whole = Path(folder) / "whole.lock"
        everything = [str(ROOT / "pyproject.toml"), str(build)]
        options = ["pip", "compile", "--universal", "--python-version", "3.11", "--generate-hashes", "--quiet"]
        options += ["--no-header", "--no-annotate", "--no-emit-index-url", "--no-emit-find-links", "--no-config"]

        def resolved(name: str, *arguments: str) -> None:
            target = LOCKS / f"{name}.lock" if name != "whole" else whole
            run(f"resolve {name}", [uv, *options, *arguments, "-o", str(target)], f"lock-{name}")
            if "://" in target.read_text():
                raise SetupError(f"{target} names a host", "look at it before it is committed")

        extras = ["--extra", "pytest", "--extra", "local", "--extra", "dev"]
        without_llama = ["--no-emit-package", "llama-cpp-python"]
        try:
            resolved("whole", "--upgrade", *everything, *extras)
            held = ["-c", str(whole)]
            resolved("dev", *everything, *extras, *without_llama, *held)
            resolved("core", *everything, *extras[:2], *held)
            resolved("local", *everything, *extras[:4], *without_llama, *held)
            resolved("llama", "--no-deps", "--no-binary", "llama-cpp-python", str(source), *held)
        except SetupError as error:
            return told(*error.args)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
