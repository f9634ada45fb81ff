"""Tries candidates in forks of a process that has the project imported and its red tests collected.

A part of the scripts sent into a sandbox: standard library and the project's pytest only, Python 3.8 up.

A candidate that changes the body of one function is tried by giving the live function its new code: nothing is
imported, collected or written. That is trusted only where it can be seen to be the same: the function did not
run while the project was imported, a planted exception in it reached the red tests, base says in a fork what it
says in a process of its own, and there are no threads. What starts processes or threads, or reads the
project's files, is told as `full`: to be tried in a fresh process. Several candidates share a fork if base
leaves no trace in the project's modules; if a fork shows one at its end, those that failed in it are tried
again in forks of their own. What passes here has still to pass in a fresh process.
"""

from __future__ import annotations

import gc
import json
import os
import select
import sys
import time
import types
import warnings
from collections.abc import Iterator, Sequence
from typing import Any, NoReturn, Optional

from gitagent.inside.children import adopt_strays, ending, kill, wait_for_end
from gitagent.inside.edits import Functions

STATE_OBJECTS = 20_000
REASON_CHARACTERS = 300
# A candidate has this much time here, and times what base took; one that hangs is asked again by the caller.
WARM_FLOOR_SECONDS = 0.4
WARM_TIMES = 10.0
WARM_UPS, WARM_UP_SECONDS = 8, 0.1
# Reports on so many tests go into a pipe that nobody reads yet.
TESTS_IN_A_PIPE = 100
# Once a candidate has passed, the caller wants to know it soon.
ENCORE_SECONDS = 1.0
LOUD = frozenset(
    {
        "subprocess.Popen",
        "os.system",
        "os.exec",
        "os.posix_spawn",
        "os.spawn",
        "os.fork",
        "os.forkpty",
        "_thread.start_new_thread",
    }
)
PROBE = "gitagent.probe"
# What unittest itself keeps on a class of tests each time it is done with it.
NOTED_BY_UNITTEST = ("tearDown_exceptions",)


class Code:
    """A function's new code, and the live functions that get it."""

    def __init__(self, live: list[Any], code: types.CodeType) -> None:
        self.live, self.code, self.old = live, code, live[0].__code__

    def put(self) -> None:
        for function in self.live:
            function.__code__ = self.code

    def restore(self) -> None:
        for function in self.live:
            function.__code__ = self.old


class Template:
    """The pytest plugin that takes over once the red tests are collected; `channel` is where it answers."""

    def __init__(self, job: dict[str, Any], channel: int, root: str) -> None:
        self._job, self._channel, self._root = job, channel, root
        self._until = time.monotonic() + job["batch_seconds"]
        self._ran: dict[int, types.CodeType] = {}
        self._live: dict[tuple[str, int, str], list[Any]] = {}
        self._functions: dict[str, Optional[Functions]] = {}
        self._sound: dict[int, bool] = {}
        self._loud = False
        self._probed = False
        self._items: list[Any] = []
        self._session: Any = None
        self._limit = WARM_FLOOR_SECONDS
        self._fast = False
        self._outcomes: dict[str, str] = {}
        self._reason = ""
        self.together = int(job["together"])

    # -- while the project is imported ----------------------------------------------------------------

    def watch(self) -> None:
        """From now on note which of the project's code runs, and what goes beyond this process."""
        root, ran = self._root + os.sep, self._ran

        def profile(frame: Any, event: str, argument: object) -> None:
            code = frame.f_code
            if event == "call" and code.co_filename.startswith(root):
                ran[id(code)] = code

        def audit(event: str, arguments: Any) -> None:
            if event in LOUD:
                self._loud = True
            elif event == "open":
                path = arguments[0]
                if isinstance(path, str) and path.endswith((".py", ".pyc")) and root in path and self._fast:
                    self._loud = True
            elif event == PROBE:
                self._probed = True

        sys.addaudithook(audit)
        sys.setprofile(profile)

    # -- in the template --------------------------------------------------------------------------------

    def pytest_runtestloop(self, session: Any) -> bool:
        sys.setprofile(None)
        try:
            self._session, self._items = session, list(session.items)
            cold = self._why_cold()
            if cold:
                self._say("cold", reason=cold)
            else:
                self._serve()
        finally:
            os._exit(0)

    def pytest_runtest_protocol(self, item: Any, nextitem: Any) -> Optional[bool]:
        """Runs one test without making a report of it; pytest's own wrappers are around this."""
        if not self._fast:
            return None
        outcome, failing = "passed", "error"
        try:
            if hasattr(item, "_request") and not item._request:
                item._initrequest()
            item.ihook.pytest_runtest_setup(item=item)
            failing = "failed"
            item.ihook.pytest_runtest_call(item=item)
        except BaseException as error:  # noqa: BLE001 - whatever a test raises is its result
            outcome = self._note(item, error, failing)
        # Methods of unittest.TestCase do not raise, they leave this.
        for noted in (item.__dict__.pop("_excinfo", None) or ())[:1]:
            outcome = self._note(item, noted.value, "failed")
        try:
            item.ihook.pytest_runtest_teardown(item=item, nextitem=nextitem)
        except BaseException as error:  # noqa: BLE001
            outcome = self._note(item, error, "error")
        item._request = False
        item.funcargs = None
        self._outcomes[item.nodeid] = outcome
        return True

    def _note(self, item: Any, error: BaseException, failing: str) -> str:
        kind = type(error).__name__
        if kind in ("Skipped", "XFailed"):
            return "skipped"
        if not self._reason:
            try:
                said = str(error).strip()
            except Exception:  # noqa: BLE001 - a stranger's __str__
                said = ""
            text = said if isinstance(error, AssertionError) and said.startswith("assert") else f"{kind}: {said}"
            reason = f"{item.nodeid}: {text}"
            self._reason = reason if len(reason) <= REASON_CHARACTERS else reason[: REASON_CHARACTERS - 1] + "…"
        return failing

    def _why_cold(self) -> str:
        if not self._items:
            return "nothing was collected"
        if len(os.listdir("/proc/self/task")) > 1:
            return "the project starts threads when it is imported"
        adopt_strays()
        for one in gc.get_objects():
            if isinstance(one, types.FunctionType) and one.__code__.co_filename.startswith(self._root + os.sep):
                code = one.__code__
                self._live.setdefault((code.co_filename, code.co_firstlineno, code.co_name), []).append(one)
        gc.collect()
        gc.freeze()
        self._limit = float(self._job["most_seconds"])
        said = list(self._forked([("base", None)]))
        base = said[0][1] if said else {}
        if base.get("outcomes") != self._job["base_outcomes"]:
            return "the tests do otherwise in a warm process"
        if base.get("loud"):
            return "the tests start processes or read the project's files"
        slowest = max(float(base["seconds"]), self._job["passing_seconds"])
        self._limit = min(self._limit, WARM_FLOOR_SECONDS + WARM_TIMES * slowest)
        if not base.get("clean"):
            self.together = 1
        elif float(base["seconds"]) < WARM_UP_SECONDS:
            self._warm_up()
        return ""

    def _warm_up(self) -> None:
        """Run base here too, which leaves nothing behind: what is then set up and specialised, no fork has to do."""
        self._fast = True
        for _ in range(WARM_UPS):
            self._run_tests()
        self._fast = False
        gc.collect()
        gc.freeze()

    def _run_tests(self) -> None:
        following = [*self._items[1:], None]
        for place, item in enumerate(self._items):
            item.ihook.pytest_runtest_protocol(item=item, nextitem=following[place])

    def _serve(self) -> None:
        self._say("warm", together=self.together, limit=self._limit)
        pending: list[tuple[int, Code]] = []
        for number, edit in enumerate(self._job["candidates"]):
            if time.monotonic() > self._until:
                break
            code = self._code(edit) if number not in self._job["alone"] else None
            if code is None:
                self._say("full", number=number)
                continue
            pending.append((number, code))
            if len(pending) >= self.together:
                self._try(pending)
                pending = []
        if pending:
            self._try(pending)
        self._say("end")

    def _try(self, pending: list[tuple[int, Code]]) -> None:
        said = list(self._forked(pending))
        dirty = len(pending) > 1 and any(told.get("clean") is False for _, told in said)
        codes = dict(pending)
        for number, told in said:
            if dirty and told.get("outcomes") and told["exit"]:
                told = next((again for _, again in self._forked([(number, codes[number])])), {"problem": "lost"})
            if told.get("loud") and told.get("exit"):
                self._say("full", number=number)
            else:
                self._say("told", number=number, told=told)
                if told.get("exit") == 0:
                    self._until = min(self._until, time.monotonic() + ENCORE_SECONDS)

    def _say(self, kind: str, **fields: Any) -> None:
        line = (json.dumps([kind, fields]) + "\n").encode()
        while line:
            line = line[os.write(self._channel, line) :]

    def _code(self, edit: dict[str, Any]) -> Optional[Code]:
        """What a candidate changes, if it is one function's body, and that can be tried here."""
        if len(edit) != 1:
            return None
        ((path, change),) = edit.items()
        if not isinstance(change, list):
            return None
        if path not in self._functions:
            self._functions[path] = self._read(path)
        functions = self._functions[path]
        if functions is None:
            return None
        function = functions.holding(change[0], change[1])
        if function is None:
            return None
        filename = os.path.join(self._root, path)
        live = self._live.get((filename, function.first_line, function.name))
        if (
            not live
            or any(one.__code__ is not live[0].__code__ for one in live)
            or id(live[0].__code__) in self._ran
        ):
            return None
        old = live[0].__code__
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                code = functions.compiled(function, change, old.co_filename, old.co_flags)
        except (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError):
            return None
        if code is None or code.co_freevars != old.co_freevars:
            return None
        found = Code(live, code)
        if id(old) not in self._sound:
            self._sound[id(old)] = self._is_noticed(live)
        return found if self._sound[id(old)] else None

    def _read(self, path: str) -> Optional[Functions]:
        text = self._job["originals"].get(path)
        if not path.endswith(".py") or text is None or "\r" in text or "\f" in text:
            return None
        try:
            return Functions(text)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return None

    def _is_noticed(self, live: list[Any]) -> bool:
        """Whether the red tests run this function's code as it is now, and no copy of it."""
        old = live[0].__code__
        names = ", ".join(old.co_freevars)
        body = " def probe(*args, **kwargs):\n"
        body += f"  {names}\n" if names else ""
        body += f"  __import__('sys').audit({PROBE!r})\n  raise RuntimeError\n"
        source = "def around():\n" + (f" {' = '.join(old.co_freevars)} = None\n" if names else "") + body
        code: Any = compile(source, old.co_filename, "exec", dont_inherit=True)
        for _ in range(2):
            code = next(one for one in code.co_consts if isinstance(one, types.CodeType))
        if code.co_freevars != old.co_freevars:
            return False
        told = next((told for _, told in self._forked([("probe", Code(live, code))])), {})
        return bool(told.get("probed"))

    # -- forks ------------------------------------------------------------------------------------------

    def _forked(self, work: Sequence[tuple[Any, Optional[Code]]]) -> Iterator[tuple[Any, dict[str, Any]]]:
        """Tell about each piece of work in turn, as many in one fork as come through."""
        left = list(work)
        while left:
            source, channel = os.pipe()
            pid = os.fork()
            if pid == 0:
                try:
                    self._work(left, source, channel)
                finally:
                    os._exit(70)
            os.close(channel)
            done: list[dict[str, Any]] = []
            clean: Optional[bool] = None
            buffer = b""
            problem = ""
            deadline = time.monotonic() + self._limit
            if len(left) == 1 and len(self._items) <= TESTS_IN_A_PIPE:
                wait_for_end(pid, self._limit)  # woken once, and not for the report and for the end
            while not problem and clean is None:
                ready, _, _ = select.select([source], [], [], max(deadline - time.monotonic(), 0))
                if not ready:
                    problem = f"took more than {self._limit:.1f} s"
                    break
                data = os.read(source, 65536)
                if not data:
                    break
                buffer += data
                *lines, buffer = buffer.split(b"\n")
                for line in lines:
                    try:
                        told = json.loads(line)
                        if isinstance(told, bool):
                            clean = told
                        else:
                            done.append(dict(told))
                    except (ValueError, TypeError):
                        problem = "its report was garbled"
                    deadline = time.monotonic() + self._limit
            # A fork that ended well and started nothing leaves nothing to look for.
            quiet = len(done) >= len(left) and not any(told.get("loud") for told in done)
            status = kill(pid, strays_too=not quiet)
            os.close(source)
            done = done[: len(left)]
            for told in done:
                told["clean"] = clean
            if len(done) < len(left):
                done.append({"problem": problem or ending(status), "hung": bool(problem), "seconds": self._limit})
            for place, told in enumerate(done):
                yield left[place][0], told
            left = left[len(done) :]

    def _work(self, work: list[tuple[Any, Optional[Code]]], source: int, channel: int) -> NoReturn:
        # Quiet it is already, as the template is; it needs a group of its own.
        os.setsid()
        os.close(source)
        os.close(self._channel)
        self._fast = True
        # Where a fork ends with its one candidate, what that leaves behind is nobody's business.
        shared = len(work) > 1 or work[0][1] is None
        before, _held = state(self._root) if shared else ([], [])
        for _, code in work:
            self._loud, self._probed, self._reason, self._outcomes = False, False, "", {}
            began = time.monotonic()
            if code is not None:
                code.put()
            self._run_tests()
            if code is not None:
                code.restore()
            told = {
                "outcomes": self._outcomes,
                "exit": int(any(outcome in ("failed", "error") for outcome in self._outcomes.values())),
                "reason": self._reason,
                "loud": self._loud,
                "probed": self._probed,
                "seconds": time.monotonic() - began,
            }
            line = (json.dumps(told) + "\n").encode()
            line += b"" if shared else b"true\n"
            while line:
                line = line[os.write(channel, line) :]
        if shared:
            os.write(channel, json.dumps(state(self._root)[0] == before).encode() + b"\n")
        os._exit(0)


def state(root: str) -> tuple[list[Any], list[Any]]:
    """What the project's modules hold, down to a bound, in a form that two readings of it can be compared by.

    Beside it is what has to be held meanwhile, so that no other object gets a place in memory that was looked at.
    """
    facts: list[Any] = [list(sys.path), dict(os.environ), os.getcwd()]
    held: list[Any] = []
    seen: set[int] = set()
    waiting: list[Any] = []
    for _, module in sorted(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if isinstance(file, str) and file.startswith(root + os.sep):
            waiting.append(vars(module))
    while waiting and len(seen) < STATE_OBJECTS:
        one = waiting.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        inner: list[Any] = []
        kind = type(one)
        if kind is dict:
            inner = [*one.values()]
        elif kind in (list, tuple, set, frozenset):
            inner = [*one]
        elif kind is types.FunctionType:
            inner = [one.__closure__, one.__defaults__, one.__dict__, getattr(one, "__wrapped__", None)]
        elif kind is types.CellType:
            try:
                inner = [one.cell_contents]
            except ValueError:
                inner = []
        elif hasattr(one, "cache_info"):
            try:
                facts.append(one.cache_info())
            except TypeError:
                pass
        elif isinstance(one, (type, property, classmethod, staticmethod)) or not isinstance(one, types.ModuleType):
            origin = one if isinstance(one, type) else kind
            home = sys.modules.get(getattr(origin, "__module__", "") or "")
            if str(getattr(home, "__file__", "")).startswith(root + os.sep):
                own = list(getattr(one, "__dict__", {}).items())
                inner = [value for key, value in own if key not in ("__dict__", *NOTED_BY_UNITTEST)]
        held.append(inner)
        facts.append((id(one), [id(value) for value in inner]))
        waiting.extend(
            value
            for value in inner
            if not isinstance(value, (str, bytes, int, float, bool, types.ModuleType, types.CodeType, type(None)))
        )
    if waiting:
        facts.append(object())  # too much to compare: never the same twice
    return facts, held


def serve(job: dict[str, Any], channel: int, root: str) -> NoReturn:
    """Become the template: import and collect in this process, a fork, and answer; never returns."""
    try:
        import pytest

        template = Template(job, channel, root)
        pytest.hookimpl(tryfirst=True)(Template.pytest_runtestloop)
        pytest.hookimpl(tryfirst=True)(Template.pytest_runtest_protocol)
        template.watch()
        options = ["--show-capture=no", "-p", "no:faulthandler", "--capture=sys"]  # files cost more than a test
        pytest.main(job["args"] + options + job["red"], plugins=[template])
    finally:
        os._exit(0)
