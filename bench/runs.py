"""Whole runs, from the request to the commit, against a model that answers at once."""

import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench import repositories
from bench.measuring import Measured, measure, median, table
from bench.repositories import Bug
from bench.server import Call, ScriptedServer

# The least anybody can do: ask, replace the line, commit. Its answer is thrown away, it knows the line beforehand.
FLOOR = """
import http.client, json, subprocess, sys
url, path, wrong, right, request = sys.argv[1:]
host = url.split("/")[2]
ask = http.client.HTTPConnection(host)
text = open(path).read()
body = json.dumps({"model": "scripted", "messages": [{"role": "user", "content": request + text}]})
ask.request("POST", "/v1/chat/completions", body, {"Content-Type": "application/json"})
json.load(ask.getresponse())
open(path, "w").write(text.replace(wrong, right))
subprocess.run(["git", "commit", "-qm", "settle: take the rate off", path], check=True)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """A program that mends a bug. `command` gives its words, `settings` what it needs in its environment.

    Where `waits_for_tests`, the time its child processes are alive is the tests' and not its own.
    """

    name: str
    command: Callable[[str, Path, Bug], Sequence[str]]
    settings: Callable[[str, Path], dict[str, str]] = lambda url, home: {}
    waits_for_tests: bool = False


@dataclass(slots=True)
class Tally:
    """What one contender's runs of one kind took; `failures` says why one did not mend the bug."""

    own: list[float] = field(default_factory=list)
    total: list[float] = field(default_factory=list)
    first_call: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    peak: list[int] = field(default_factory=list)
    tokens: list[int] = field(default_factory=list)
    calls: list[int] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)


def floor() -> Contender:
    def command(url: str, repository: Path, bug: Bug) -> Sequence[str]:
        return [sys.executable, "-S", "-c", FLOOR, url, bug.path, bug.wrong, bug.right, bug.request]

    return Contender(name="floor", command=command)


def gitagent() -> Contender:
    def command(url: str, repository: Path, bug: Bug) -> Sequence[str]:
        script = str(Path(sys.executable).with_name("gitagent"))
        words = [script, "fix", bug.request, "--repo", str(repository), "--api", "--yes", "--json"]
        return [*words, "--sandbox", "none", "--python", sys.executable]

    def settings(url: str, home: Path) -> dict[str, str]:
        return {
            "GITAGENT_API_BASE_URL": url,
            "GITAGENT_API_MODEL": "scripted",
            "GITAGENT_API_KEY": "none",
            # The repair patterns would mend it without asking anybody.
            "GITAGENT_TEMPLATES_ENABLED": "false",
        }

    return Contender(name="gitagent", command=command, settings=settings, waits_for_tests=True)


def report(
    sources: dict[int, tuple[Path, list[Bug]]], work: Path, contenders: list[Contender], *, rounds: int
) -> None:
    """A table for each size, each contender in turn, in a fresh clone (cold) and again in the same (warm)."""
    for size, (source, bugs) in sources.items():
        tallies = {(each.name, kind): Tally() for each in contenders for kind in ("cold", "warm")}
        with ScriptedServer(bugs) as server:
            for turn in range(rounds):
                for contender in contenders:
                    place = work / f"{contender.name}-{size}-{turn}"
                    repository = repositories.clone(source, place / "clone", bugs)
                    for kind, bug in (("cold", bugs[0]), ("warm", bugs[1])):
                        _once(contender, server, repository, place, bug, tallies[contender.name, kind])
        rows = [_row(each.name, tallies) for each in contenders]
        _add_ratios(rows, tallies)
        head = ["program", "own, cold", "own, warm", "to first call, cold", "warm", "whole run, warm"]
        head += ["own CPU, warm", "peak memory", "prompt tokens, calls"]
        failures = {
            f"NOT MENDED: {each.name}: {why}"
            for each in contenders
            for kind in ("cold", "warm")
            for why in tallies[each.name, kind].failures
        }
        title = f"From a sentence to a commit, {size:,} Python files, median of {rounds}"
        table(title, head, rows, notes=sorted(failures))


def _row(name: str, tallies: dict[tuple[str, str], Tally]) -> list[str]:
    cold, warm = (tallies[name, kind] for kind in ("cold", "warm"))
    seconds = (cold.own, warm.own, cold.first_call, warm.first_call, warm.total, warm.cpu)
    peak = max(cold.peak + warm.peak, default=0)
    tokens = f"{median(warm.tokens):,.0f} in {median(warm.calls):.0f}"
    return [name, *map(_seconds, seconds), f"{peak / 2**20:.0f} MB", tokens]


def _add_ratios(rows: list[list[str]], tallies: dict[tuple[str, str], Tally]) -> None:
    """Own times as multiples of gitagent's, beside the seconds."""
    for row in rows:
        for column, kind in ((1, "cold"), (2, "warm")):
            ours, theirs = (median(tallies[name, kind].own) for name in ("gitagent", row[0]))
            if row[0] != "gitagent" and ours > 0:
                row[column] += f" ({theirs / ours:.1f}x)"


def _once(
    contender: Contender, server: ScriptedServer, repository: Path, place: Path, bug: Bug, tally: Tally
) -> None:
    home = place / "home"
    home.mkdir(exist_ok=True)
    kept = ("PATH", "LANG", "LC_ALL", "TMPDIR", "SSL_CERT_FILE")
    env = {name: os.environ[name] for name in kept if name in os.environ}
    env |= {"HOME": str(home), "XDG_CONFIG_HOME": str(home / ".config"), "NO_COLOR": "1", "CI": "true"}
    env |= contender.settings(server.base_url, home)
    repositories.git(repository, "checkout", "-q", bug.branch)
    server.taken()
    measured = measure(contender.command(server.base_url, repository, bug), cwd=repository, env=env)
    calls = server.taken()
    _count(contender, measured, calls, tally)
    if not repositories.is_mended(repository, bug):
        last = [line for line in (measured.errors or measured.output).strip().split("\n") if line.strip()][-1:]
        tally.failures.append(f"exit code {measured.exit_code}: {last[0][:300] if last else 'no output'}")
    repositories.git(repository, "reset", "-q", "--hard")


def _count(contender: Contender, measured: Measured, calls: list[Call], tally: Tally) -> None:
    model = sum(call.answered - call.arrived for call in calls)
    tests = measured.child_seconds if contender.waits_for_tests else 0.0
    tally.own.append(measured.seconds - model - tests)
    tally.total.append(measured.seconds)
    tally.cpu.append(measured.own_cpu_seconds)
    tally.peak.append(measured.peak_bytes if contender.waits_for_tests else measured.largest_bytes)
    tally.tokens.append(sum(call.prompt_tokens for call in calls))
    tally.calls.append(len(calls))
    if calls:
        tally.first_call.append(calls[0].arrived - measured.began)


def _seconds(values: Sequence[float]) -> str:
    return f"{median(values):.2f} s" if values else "-"
