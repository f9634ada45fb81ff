"""Appliers: what a file becomes, or None if it is refused."""

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from bench.diffs.cases import Case
from gitagent.core.diffs import apply_reply
from gitagent.errors import DiffError

Applier = Callable[[Case, str], str | None]


def ours(case: Case, reply: str) -> str | None:
    """gitagent."""
    try:
        applied = apply_reply(reply, {case.path: case.old}.get)
    except DiffError:
        return None
    if set(applied.texts) != {case.path}:
        return "other files"
    return applied.texts[case.path]


def command(*argv: str) -> Applier:
    def run(case: Case, reply: str) -> str | None:
        with tempfile.TemporaryDirectory() as directory:
            path = case.path if not case.path.startswith(("/", ".", "C:")) and ".." not in case.path else "f"
            file = Path(directory) / path
            file.parent.mkdir(parents=True, exist_ok=True)
            raw = case.old.encode("utf-8", "surrogateescape")
            file.write_bytes(raw)
            data = reply.encode("utf-8", "surrogateescape")
            done = subprocess.run(argv, cwd=directory, input=data, capture_output=True, timeout=60)
            if not file.is_file():
                return "gone"
            now = file.read_bytes()
            if done.returncode:
                return None if now == raw else "changed in spite of an error"
            return None if now == raw else now.decode("utf-8", "surrogateescape")

    return run


def aider() -> Applier | None:
    """aider's udiff applier, where the package is installed: here, or by `make bench ARGS=--peers`."""
    root = Path(__file__).resolve().parents[2]
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    sys.path.append(str(root / ".cache" / "bench-peers" / "aider" / "lib" / version / "site-packages"))
    try:
        from aider.coders import search_replace, udiff_coder
    except Exception:  # noqa: BLE001 - its dependencies raise what they like
        return None

    def run(case: Case, reply: str) -> str | None:
        text = case.old
        fenced = reply if "```" in reply else f"```diff\n{reply}\n```\n"
        with tempfile.TemporaryDirectory() as directory:
            file = Path(directory) / "f"
            file.write_bytes(text.encode("utf-8", "surrogateescape"))
            try:
                edits = list(udiff_coder.find_diffs(fenced))
                for _, hunk in edits:
                    new = udiff_coder.do_replace(str(file), text, udiff_coder.normalize_hunk(hunk) or hunk)
                    if not new:
                        return None
                    text = new
            except (search_replace.SearchTextNotUnique, ValueError, IndexError):
                return None
        return None if text == case.old else text

    return run


def appliers(peers: bool) -> dict[str, Applier]:
    out: dict[str, Applier] = {"gitagent": ours}
    if not peers:
        return out
    out["git apply"] = command("git", "apply", "-")
    out["git apply, tolerant"] = command(
        "git", "apply", "--recount", "--ignore-whitespace", "--unidiff-zero", "-C1", "-"
    )
    if shutil.which("patch"):
        out["patch -F3"] = command("patch", "-p1", "-F3", "--batch", "--no-backup-if-mismatch", "-r", "-", "-s")
    theirs = aider()
    if theirs is not None:
        out["aider udiff"] = theirs
    else:
        print("# aider is not installed (make bench ARGS=--peers does it), so not measured", file=sys.stderr)
    return out


def outcome(case: Case, result: str | None) -> str:
    if result is None:
        return "refused"
    return "exact" if result == case.new else "WRONG"
