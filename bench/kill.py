"""Runs killed at every write to their journal and at random moments, then taken up again."""

import argparse
import hashlib
import os
import random
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tests.e2e.running import CALC, RED, made
from tests.e2e.test_api import endpoint
from tests.e2e.test_kills import second_time_right
from tests.scripted_server import ScriptedServer
from tests.surviving import PUBLISHING, Survival, Victim

OURS = (
    "objects/",
    "refs/heads/gitagent",
    "refs/gitagent",
    "logs/refs/heads/gitagent",
    "refs/notes",
    "logs/refs/notes",
)


def main(arguments: Sequence[str]) -> None:
    """Kill and count; an end that is not the undisturbed run's is an AssertionError."""
    parser = argparse.ArgumentParser(prog="python -m bench kill")
    parser.add_argument("--moments", type=int, default=200, help="Random moments to kill at.")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    chance = random.Random(options.seed)
    with tempfile.TemporaryDirectory(prefix="gitagent-kill-", ignore_cleanup_errors=True) as folder:
        work = Path(folder)
        os.environ |= {"HOME": folder, "GIT_CONFIG_NOSYSTEM": "1"}
        (work / ".gitconfig").write_text(
            "[user]\n\tname = Ada\n\temail = ada@example.org\n[init]\n\tdefaultBranch = main\n"
        )
        project = made(work / "project", work / "temporary", CALC)
        command = ("fix", "--test", RED)
        with ScriptedServer(second_time_right) as server:
            env = endpoint(server) | {"GITAGENT_TEMPLATES_ENABLED": "false"}
            for name, more, settings, asked in (("templates", (), {}, None), ("api", ("--api",), env, server)):
                place = work / name
                place.mkdir()
                began = time.monotonic()
                victim = Victim(project, (*command, *more), place, env=settings, digest=digest)
                seconds = time.monotonic() - began
                ends = [
                    victim.dies(moment, write, asked)
                    for write in range(1, victim.writes + 1)
                    for moment in ("before", "after")
                ]
                _say(f"{name}, before and after each of {victim.writes} writes", ends)
                count = options.moments // 2
                ends = [victim.dies_after(chance.uniform(0.1, 1.1 * seconds), asked) for _ in range(count)]
                _say(f"{name}, at {count} random moments", ends)
        place = work / "hosted"
        place.mkdir()
        victim = Victim(project, (*command, "--yes"), place, env={}, digest=digest, hosted=True)
        ends = [victim.dies_publishing(what, moment) for what, moment in PUBLISHING]
        _say("on a GitHub, before and after it is pushed to and asked for the pull request", ends)


def digest(root: Path) -> str:
    """A digest of a repository's files and git directory, without what gitagent may write."""
    found = hashlib.sha256()
    for file in sorted(path for path in root.rglob("*") if path.is_file()):
        relative = file.relative_to(root).as_posix()
        if not relative.removeprefix(".git/").startswith(OURS):
            found.update(relative.encode() + b"\0" + file.read_bytes())
    return found.hexdigest()


def _say(what: str, ends: Sequence[Survival]) -> None:
    killed = sum(end.killed for end in ends)
    twice = sum(end.paid_twice for end in ends)
    tested = sum(end.tested_twice for end in ends)
    print(
        f"{what}: {killed} of {len(ends)} killed, all came to the same end; {twice} model calls and {tested} test runs "
        "paid twice",
        flush=True,
    )
