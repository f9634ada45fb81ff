"""Mending one bug with `gitagent fix`, and what came of it."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.mutants.operators import meaning_of
from bench.mutants.packages import PACKAGES, Outcome, suite, unpacked
from bench.mutants.seeding import Bug, hide

REQUEST = "Some tests fail. Make them pass."


@dataclass(frozen=True, slots=True, kw_only=True)
class Mended:
    """`plausible`: a proven pull request. `correct`: all tests pass on it, those held back too.

    `same`: what it says is the released file, whatever the formatting. `held_back` counts the test functions
    kept from gitagent, `watching` those of them that detect the bug.
    """

    id: str
    operator: str
    split: str
    plausible: bool
    correct: bool
    same: bool
    tried: int
    seconds: float
    held_back: int
    watching: int
    pattern: str
    diff: str
    said: str


def repository(bug: Bug, folder: Path) -> tuple[Path, str, int]:
    """A repository with the bug in it and the held-back tests gone; the right text; how many were held back."""
    package = next(one for one in PACKAGES if (one.name, one.version) == (bug.package, bug.version))
    root = unpacked(package, folder)
    right = (root / bug.path).read_bytes().decode()
    told = _functions(root)
    (root / bug.path).write_bytes(bug.wrong(right).encode())
    hidden = sorted({place for place in told if bug.is_hidden(place)})
    hide(root, hidden)
    settings = ("user.name=Bench", "user.email=bench@localhost", "gc.auto=0")
    for words in (["init", "-q", "-b", "main"], ["add", "-A", "-f"], ["commit", "-q", "-m", "begin"]):
        options = [word for setting in settings for word in ("-c", setting)]
        subprocess.run(["git", *options, *words], cwd=root, check=True, capture_output=True)
    return root, right, len(hidden)


_KNOWN: dict[str, Mapping[str, Outcome]] = {}


def _functions(root: Path) -> set[str]:
    """The test functions of a release as it is, found once."""
    if root.name not in _KNOWN:
        _KNOWN[root.name] = suite(root, seconds=300) or {}
    return {told.function for told in _KNOWN[root.name].values() if told.function}


def mend(bug: Bug, split: str, *, sandbox: str, minutes: float, options: tuple[str, ...] = ()) -> Mended:
    """Run `gitagent fix` on the bug, as a stranger would, and judge what it proposes."""
    with tempfile.TemporaryDirectory(prefix="gitagent-mutants-", ignore_cleanup_errors=True) as folder:
        root, right, held_back = repository(bug, Path(folder) / "work")
        steady = {test for test, told in _KNOWN[root.name].items() if told.outcome == "passed"}
        events, seconds = fix(root, Path(folder), sandbox, minutes, options)
        ended = next((event for event in events if event["event"] in ("run_finished", "run_failed")), {})
        pulls = [event for event in events if event["event"] == "committed"]
        plausible = ended.get("state") == "proven" and bool(pulls)
        correct = same = False
        if plausible:
            shown = subprocess.run(
                ["git", "show", f"{pulls[-1]['oid']}:{bug.path}"], cwd=root, capture_output=True, check=True
            )
            mended = shown.stdout.decode()
            same = meaning_of(mended) == meaning_of(right)
            correct = same or _passes_all(bug, mended, steady, pulls, root, Path(folder) / "whole")
        tried = [event for event in events if event["event"] == "candidate_tried"]
        proposed = {event["number"]: event for event in events if event["event"] == "candidate_proposed"}
        diff = "\n".join(str(pull["diff"]) for pull in pulls)
        pattern = next((e["pattern"] for e in proposed.values() if e["diff"] == diff), "")
        return Mended(
            id=bug.id,
            operator=bug.operator,
            split=split,
            plausible=plausible,
            correct=correct,
            same=same,
            tried=len(tried),
            seconds=round(seconds, 1),
            held_back=held_back,
            watching=sum(bug.is_hidden(place) for place in bug.detecting),
            pattern=str(pattern),
            diff=diff,
            said=str(ended.get("reason") or ended.get("error") or "killed")[:300],
        )


def fix(
    root: Path, home: Path, sandbox: str, minutes: float, options: tuple[str, ...]
) -> tuple[list[dict[str, Any]], float]:
    here = str(Path(__file__).resolve().parents[2])
    env = {**os.environ, "HOME": str(home), "PYTHONPATH": here, "PYTHONSAFEPATH": "1"}
    env |= {"GITAGENT_SANDBOX_PYTHON": sys.executable}
    command = [sys.executable, "-m", "gitagent", "fix", REQUEST, "--repo", str(root), "--local", "--yes", "--json"]
    command += ["--sandbox", sandbox, "--minutes", str(minutes), *(options or ("--max-candidates", "100000"))]
    began = time.monotonic()
    process = subprocess.Popen(
        command, env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        out, _ = process.communicate(timeout=minutes * 60 + 60)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        out, _ = process.communicate()
    seconds = time.monotonic() - began
    return [json.loads(line) for line in out.decode(errors="replace").split("\n") if line.startswith("{")], seconds


def _passes_all(
    bug: Bug, mended: str, steady: set[str], pulls: list[dict[str, Any]], root: Path, folder: Path
) -> bool:
    """Whether every test of the release passes on the mended file, other files as released."""
    package = next(one for one in PACKAGES if one.name == bug.package)
    whole = unpacked(package, folder)
    (whole / bug.path).write_bytes(mended.encode())
    changed = subprocess.run(
        ["git", "diff", "--name-only", "main", str(pulls[-1]["oid"])], cwd=root, capture_output=True, check=True
    ).stdout.decode()
    for path in changed.split():
        kept = subprocess.run(
            ["git", "show", f"{pulls[-1]['oid']}:{path}"], cwd=root, capture_output=True, check=True
        )
        (whole / path).write_bytes(kept.stdout)
    told = suite(whole, seconds=120) or {}
    return all(test in told and told[test].outcome == "passed" for test in steady)
