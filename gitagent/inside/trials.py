"""Tries many candidates, each in a fork of a process that has pytest loaded.

Sent into a sandbox as `python3 -c`; standard library and the project's pytest only, Python 3.8 up. On stdin
comes one JSON object:

    args          for pytest, without test ids       red        the ids to run
    originals     texts by path, null for none       candidates a list of edits by path (see edits.py)
    together      candidates for one warm fork, 0 for none at all; `alone` are numbers not to be tried so
    files         what the tree's files were like, null to find out
    checked       whether an answer of a warm fork was held against a fresh process before
    base_outcomes what base says, null to find out
    base_seconds  how long the red tests take without a candidate, null to find out
    passing_seconds how long the slowest test took that passes; a candidate has some times as long, and
    patience      times that again
    most_seconds  for one candidate                  stop_after how many may pass
    batch_seconds for all                            word       starts each line we print
    bytecode      the name of a directory for it     warm       modules to import once
    cwd_first     whether the root goes on the import path, as with `python -m pytest`

Printed are lines `WORD [kind, {...}]`: `base` and `warm` (the modules that may be imported once) if
`base_seconds` was null, then for each candidate `start` and `done`, and `end`; `refused` if the tree cannot
be written. No code of the project is ever run in this process: each candidate has a child of its own, in its
own process group, killed when its time is up. A child tells its results over a pipe, with a word that it got
before any of the candidate's code ran; a child that ends without telling has failed.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import select
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

from gitagent.inside.children import KEPT, adopt_strays, ending, kill, make_quiet
from gitagent.inside.edits import edited
from gitagent.inside.files import ROOT, Tree, heal, listed
from gitagent.inside.warm import ENCORE_SECONDS, serve
from gitagent.inside.warming import import_all, keep_bytecode, loaded, warm_pytest

TOLD_BYTES = 256 * 1024
FLOOR_SECONDS = 1.5
TIMES_BASE = 5.0
HUNG_SECONDS = 2.0
SHOWN_OUTCOMES = 500
SHOWN_PATHS = 5000


class Results:
    """The pytest plugin in a child: outcomes by test id, and the first failure in a few words."""

    def __init__(self, tell: Callable[[dict[str, Any]], NoReturn]) -> None:
        self.outcomes: dict[str, str] = {}
        self.reason = ""
        self._tell = tell

    def pytest_sessionfinish(self, exitstatus: int) -> None:
        # Told now, because pytest's end takes longer than a test: summary, garbage collection.
        self._tell({"exit": int(exitstatus), "outcomes": self.outcomes, "reason": self.reason})

    def pytest_collectreport(self, report: Any) -> None:
        if report.failed:
            self._note(report.nodeid, "error", report)

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.failed:
            self._note(report.nodeid, "failed" if report.when == "call" else "error", report)
        elif report.skipped:
            self.outcomes.setdefault(report.nodeid, "skipped")
        elif report.when == "call":
            self.outcomes.setdefault(report.nodeid, "passed")

    def _note(self, test: str, outcome: str, report: Any) -> None:
        self.outcomes[test] = outcome
        if not self.reason:
            crash = getattr(report.longrepr, "reprcrash", None)
            text = crash.message if crash is not None else str(report.longrepr or "")[-300:]
            reason = test + ": " + text.strip()
            self.reason = reason if len(reason) <= 400 else reason[:399] + "…"


def wrong_syntax(texts: dict[str, str | None]) -> str:
    """What keeps these texts from compiling, or an empty string."""
    for path, text in texts.items():
        if path.endswith(".py") and text is not None:
            try:
                compile(text.encode("utf-8", "surrogateescape"), path, "exec", dont_inherit=True)
            except (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError) as error:
                line = getattr(error, "lineno", None)
                place = f"{path}:{line}" if line else path
                return f"{place}: {getattr(error, 'msg', None) or error}"
    return ""


def child(job: dict[str, Any], texts: dict[str, str | None], channel: int, bytecode: bool) -> NoReturn:
    """Runs the red tests and tells about them; never returns."""
    word = os.urandom(16).hex()
    os.write(channel, (word + "\n").encode())

    def tell(told: dict[str, Any]) -> NoReturn:
        if bytecode and "exit" in told:
            told["loaded"] = loaded(before)
        message = (word + json.dumps(told)).encode()[:TOLD_BYTES] + b"\n"
        while message:
            message = message[os.write(channel, message) :]
        os._exit(0)

    try:
        make_quiet(job["out"])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            wrong = wrong_syntax(texts)
        if wrong:
            tell({"syntax": wrong})
        os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
        sys.dont_write_bytecode = not bytecode
        sys.pycache_prefix = job["bytecode"]
        before = set(sys.modules)
        sys.argv = ["pytest"] + job["args"]
        importlib.invalidate_caches()
        import pytest

        results = Results(tell)
        arguments = job["args"] + ["--show-capture=no", "-p", "no:faulthandler"] + job["red"]
        code = pytest.main(arguments, plugins=[results])
        results.pytest_sessionfinish(code)  # it did not come to a session
    finally:
        os._exit(70)


def listen(source: int, deadline: float) -> tuple[dict[str, Any] | None, str]:
    """What the child told: its word, then its results; None if it ended, or its time did, before."""
    data = b""
    while data.count(b"\n") < 2 and len(data) < TOLD_BYTES + 1024:
        left = deadline - time.monotonic()
        if left <= 0:
            return None, "timeout"
        ready, _, _ = select.select([source], [], [], left)
        if not ready:
            return None, "timeout"
        chunk = os.read(source, 65536)
        if not chunk:
            return None, "ended"
        data += chunk
    word, _, rest = data.partition(b"\n")
    if len(word) != 32 or not rest.startswith(word):
        return None, "forged"
    try:
        told = json.loads(rest[32:].partition(b"\n")[0].decode("utf-8", "replace"))
    except ValueError:
        return None, "garbled"
    return (told, "") if isinstance(told, dict) else (None, "garbled")


def run(job: dict[str, Any], texts: dict[str, str | None], seconds: float, bytecode: bool) -> dict[str, Any]:
    """What the red tests said in a child of their own: `outcomes`, `exit`, `reason`; or `syntax`; or `problem`."""
    source, channel = os.pipe()
    started = time.monotonic()
    pid = os.fork()
    if pid == 0:
        os.close(source)
        child(job, texts, channel, bytecode)
    os.close(channel)
    told, problem = listen(source, started + seconds)
    status = kill(pid)
    os.close(source)
    took = time.monotonic() - started
    if told is not None:
        told["seconds"] = took
        return told
    if problem == "ended":
        problem = ending(status)
    elif problem == "timeout":
        problem = f"took more than {seconds:.1f} s"
    else:
        problem = "its report was " + problem
    return {"problem": problem, "seconds": took}


def passes(told: dict[str, Any], red: list[str]) -> bool:
    outcomes = told.get("outcomes") or {}
    if told.get("exit") != 0:
        return False
    for test in red:
        inside = [
            outcome
            for name, outcome in outcomes.items()
            if name == test or name.startswith((test + "::", test + "["))
        ]
        if not inside or any(outcome != "passed" for outcome in inside):
            return False
    return True


def shown(told: dict[str, Any]) -> dict[str, Any]:
    if "outcomes" in told:
        told["outcomes"] = dict(list(told["outcomes"].items())[:SHOWN_OUTCOMES])
    return told


def try_all(job: dict[str, Any], say: Callable[..., None], limit: float) -> None:
    """Try every candidate: in forks of the warm template first, then whatever needs it in a process of its own."""
    began = time.monotonic()
    alone = set(job["alone"])
    if job["files"] is None:
        job["files"] = listed()
        say("files", files=job["files"])
    elif damaged := heal(job["files"]):
        say("damaged", paths=damaged[:SHOWN_PATHS])
        return
    passed, tried = 0, 0

    def fresh(number: int) -> dict[str, Any]:
        texts = {path: edited(job["originals"][path], edit) for path, edit in job["candidates"][number].items()}
        say("start", number=number)
        tree = Tree(job["originals"])
        try:
            tree.put(texts)
            return run(job, texts, limit, False)
        finally:
            tree.restore(texts)

    def done(number: int, told: dict[str, Any]) -> None:
        nonlocal passed, tried
        good = passes(told, job["red"])
        say("done", number=number, told=shown(told), passes=good)
        passed, tried = passed + good, tried + 1

    left = list(range(len(job["candidates"])))
    try:
        if job["together"]:
            green: list[int] = []
            full: list[int] = []
            checked = job["checked"]
            for kind, fields in ask_template(job, limit):
                number = fields.get("number", -1)
                if kind == "told":
                    left.remove(number)
                    if passes(fields["told"], job["red"]):
                        green.append(number)
                        continue
                    if not checked and "exit" in fields["told"]:
                        # One answer is held against a fresh process before the others are believed.
                        checked, told = True, fresh(number)
                        if told.get("outcomes") != fields["told"]["outcomes"]:
                            say("cold", reason="a candidate did otherwise in a warm process")
                            done(number, told)
                            full, green = sorted({*green, *full, *left}), []
                            break
                        say("checked")
                    done(number, fields["told"])
                elif kind == "full":
                    left.remove(number)
                    full.append(number)
                elif kind == "cold":
                    say("cold", reason=fields["reason"])
                    full = sorted({*full, *left})
                elif kind == "warm":
                    say("together", **fields)
            left = [*green, *full]
        until = began + job["batch_seconds"]
        for number in left:
            if passed:
                until = min(until, time.monotonic() + ENCORE_SECONDS)
            if (tried and time.monotonic() > until) or passed >= job["stop_after"]:
                break
            done(number, fresh(number))
            if number in alone and (damaged := heal(job["files"])):
                say("damaged", paths=damaged[:SHOWN_PATHS])
                break
    except OSError as error:
        damaged = heal(job["files"])
        if damaged:
            say("damaged", paths=damaged[:SHOWN_PATHS])
        else:
            say("refused", reason=str(error))  # the tree is not ours to write
        return
    say("end")


def ask_template(job: dict[str, Any], limit: float) -> Iterator[tuple[str, dict[str, Any]]]:
    """What a warm template says about the candidates, one after the other, as far as it gets."""
    source, channel = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            make_quiet(source, job["out"])
            sys.dont_write_bytecode = True
            os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
            sys.pycache_prefix = job["bytecode"]
            sys.argv = ["pytest"] + job["args"]
            importlib.invalidate_caches()
            serve(job, channel, ROOT)
        finally:
            os._exit(70)
    KEPT.add(pid)
    os.close(channel)
    buffer, told = b"", 0
    patience = job["most_seconds"] + 4 * limit + 5
    try:
        while True:
            ready, _, _ = select.select([source], [], [], patience)
            data = os.read(source, 65536) if ready else b""
            if not data:
                yield "cold", {"reason": "the warm process ended" if told else "the project cannot be forked"}
                return
            buffer += data
            *lines, buffer = buffer.split(b"\n")
            for line in lines:
                try:
                    kind, fields = json.loads(line)
                except ValueError:
                    return
                if kind == "end":
                    return
                told += 1
                yield str(kind), dict(fields)
    finally:
        kill(pid)
        os.close(source)


def try_warm(job: dict[str, Any], say: Callable[..., None], limit: float, base: dict[str, Any] | None) -> bool:
    """Like `try_all` in a fork that has imported what the tests import; False if it did not come to that."""
    source, channel = os.pipe()
    pid = os.fork()
    if pid == 0:
        code = 70
        try:
            os.close(source)
            import_all(job["warm"])
            gc.collect()
            gc.freeze()
            adopt_strays()
            if base is not None:
                told = run(job, {}, limit, False)
                if told.get("outcomes") != base.get("outcomes") or told.get("exit") != base.get("exit"):
                    os._exit(3)  # the tests mind
                say("warm", names=job["warm"])
            os.write(channel, b"!")
            os.close(channel)
            try_all(job, say, limit)
            code = 0
        finally:
            os._exit(code)
    os.close(channel)
    begun = os.read(source, 1) == b"!"
    os.close(source)
    os.waitpid(pid, 0)
    return begun


def main() -> None:
    job = json.loads(sys.stdin.buffer.read())
    out = job["out"] = os.dup(1)
    job["bytecode"] = os.path.join(tempfile.gettempdir(), job["bytecode"])

    def say(kind: str, **fields: object) -> None:
        line = (job["word"] + " " + json.dumps([kind, fields]) + "\n").encode()
        while line:
            line = line[os.write(out, line) :]

    null = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1):
        os.dup2(null, number)
    del sys.path[0]
    adopt_strays()
    keep_bytecode(job["bytecode"])
    warm_pytest()
    if job["cwd_first"]:
        sys.path.insert(0, ROOT)
    gc.collect()
    gc.freeze()  # children neither walk nor copy what is there by now
    base, base_seconds = None, job["base_seconds"]
    if base_seconds is None:
        base = run(job, {}, job["most_seconds"], True)  # writes the bytecode of everything the tests load
        job["warm"] = base.pop("loaded", [])
        if "problem" not in base:
            base = run(job, {}, job["most_seconds"], False)
        # Tests that hang without a candidate say nothing about how long they take with the right one.
        base_seconds = base["seconds"] if "problem" not in base else HUNG_SECONDS
        job["base_outcomes"] = base.get("outcomes")
        say("base", seconds=base_seconds, told=shown(base), passes=passes(base, job["red"]))
        if passes(base, job["red"]) or not base.get("outcomes"):
            job["together"] = 0
    slowest = max(base_seconds, job["passing_seconds"])
    limit = min(job["most_seconds"], (TIMES_BASE * slowest + FLOOR_SECONDS) * job["patience"])
    if not job["warm"] or not try_warm(job, say, limit, base):
        try_all(job, say, limit)


if __name__ == "__main__":
    main()
