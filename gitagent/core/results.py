"""Test results out of what runners leave behind: JUnit XML, TAP, and the lines of go, cargo and unittest.

All of it was written by strangers' code: sizes are bounded, XML entities are refused, and nothing here raises
anything but RequestError.
"""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from xml.parsers import expat

from gitagent.errors import RequestError
from gitagent.records import Outcome, TestResult

XML_BYTES = 64 * 1024**2
MESSAGE_CHARACTERS = 8_000
RESULTS = 200_000
_DEPTH = 64
_ID_CHARACTERS = 2_000
_WORST_FIRST: tuple[Outcome, ...] = ("error", "failed", "passed", "skipped")
_OUTCOMES: dict[str, Outcome] = {"failure": "failed", "error": "error", "skipped": "skipped"}


def shortened(message: str) -> str:
    """A failure's message within bounds: its first lines, and more of its end, where the assertion is."""
    if len(message) <= MESSAGE_CHARACTERS:
        return message
    head, tail = MESSAGE_CHARACTERS // 4, MESSAGE_CHARACTERS * 3 // 4 - 60
    return f"{message[:head]}\n… {len(message) - head - tail} characters left out …\n{message[-tail:]}"


def read_junit(data: bytes, root: str = "") -> tuple[TestResult, ...]:
    """The results in a JUnit XML file, or in several put one after the other; one per test, in order.

    pytest's ids are rebuilt from its xunit1 form: `tests/test_x.py::TestA::test_b[1]`; a module that could not
    be collected is an "error" under its path. mocha's and vitest's are `file > suite > test`, with the file as seen
    from `root`, the tree's own path. Others are `class.method`. Raises RequestError if it is no such XML, is too
    large, or declares a document type or entities.
    """
    if len(data) > XML_BYTES:
        raise RequestError(f"the results are {len(data)} bytes of XML, more than {XML_BYTES}.")
    reader = _JUnit()
    for document in _documents(data):
        reader.read(document)
    return _merged(_named(reader.cases, root))


def _documents(data: bytes) -> list[bytes]:
    starts = [match.start() for match in re.finditer(rb"<\?xml[ \t]", data)]
    if len(starts) < 2:
        return [data.strip()]
    cuts = [*starts, len(data)]
    return [data[cuts[i] : cuts[i + 1]].strip() for i in range(len(starts))]


class _Case:
    __slots__ = ("classname", "file", "name", "outcome", "seconds", "suite", "told")

    def __init__(self, attributes: dict[str, str], suite: str) -> None:
        self.classname = attributes.get("classname", "")
        self.name = attributes.get("name", "")
        self.file = attributes.get("file", "")
        self.suite = suite
        self.seconds = _seconds(attributes.get("time", ""))
        self.outcome: Outcome = "passed"
        self.told: list[str] = []


class _JUnit:
    """Collects testcases. `expat` is used directly, so that entities can be refused before they expand."""

    def __init__(self) -> None:
        self.cases: list[_Case] = []
        self._case: _Case | None = None
        self._suites: list[str] = []
        self._text: list[str] | None = None
        self._length = 0
        self._title = ""
        self._depth = 0

    def read(self, document: bytes) -> None:
        parser = expat.ParserCreate()
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._characters
        parser.StartDoctypeDeclHandler = self._refuse
        parser.EntityDeclHandler = self._refuse
        self._case, self._text, self._depth, self._suites = None, None, 0, []
        try:
            parser.Parse(document, True)
        except (expat.ExpatError, ValueError, LookupError) as error:
            raise RequestError(f"the results are no readable XML: {error}.") from error

    def _refuse(self, *_: object) -> None:
        raise RequestError("the results declare a document type or entities, which no test runner does.")

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._depth > _DEPTH:
            raise RequestError(f"the results nest more than {_DEPTH} elements.")
        if tag in ("testsuite", "testsuites"):
            self._suites.append(attributes.get("name", ""))
        elif tag == "testcase":
            if len(self.cases) >= RESULTS:
                raise RequestError(f"the results hold more than {RESULTS} tests.")
            self._case = _Case(attributes, self._suites[-1] if self._suites else "")
            self.cases.append(self._case)
        elif self._case is not None and tag in _OUTCOMES:
            self._case.outcome = min(self._case.outcome, _OUTCOMES[tag], key=_worst)
            if tag == "skipped" and self._case.outcome == "passed":
                self._case.outcome = "skipped"
            self._title, self._text, self._length = attributes.get("message", ""), [], 0

    def _characters(self, text: str) -> None:
        # Far more than is kept, so that both ends are right, but never all of a huge one.
        if self._text is not None and self._length < 64 * MESSAGE_CHARACTERS:
            self._text.append(text)
            self._length += len(text)

    def _end(self, tag: str) -> None:
        self._depth -= 1
        if tag in ("testsuite", "testsuites") and self._suites:
            self._suites.pop()
        elif tag == "testcase":
            self._case = None
        elif self._case is not None and tag in _OUTCOMES and self._text is not None:
            body = "".join(self._text).strip()
            first = self._title.strip().split("\n")[0]
            told = body if first in body else f"{self._title.strip()}\n{body}".strip()
            if told and told not in self._case.told and len(self._case.told) < 20:
                self._case.told.append(told)
            self._text = None


def _worst(outcome: Outcome) -> int:
    return _WORST_FIRST.index(outcome)


def _seconds(text: str) -> float:
    try:
        seconds = float(text.replace(",", ""))
    except ValueError:
        return 0.0
    return seconds if 0 <= seconds < 1e9 else 0.0


def _named(cases: Sequence[_Case], root: str) -> Iterable[TestResult]:
    modules = {_dotted(case.file): case.file for case in cases if case.file.endswith((".py", ".txt", ".rst"))}
    for case in cases:
        if case.suite == "pytest" or case.file.endswith(".py"):
            name = _pytest_id(case, modules)
        elif _SCRIPT.search(case.file or case.classname):  # mocha names the file, vitest's class is the file
            name = _titled(_below(case.file, root), case.classname, case.name)
        else:
            name = ".".join(filter(None, (case.classname, case.name)))
        if name:
            message = shortened("\n\n".join(case.told))
            yield TestResult(id=name[:_ID_CHARACTERS], outcome=case.outcome, seconds=case.seconds, message=message)


_SCRIPT = re.compile(r"\.[cm]?[jt]sx?$")


def _below(path: str, root: str) -> str:
    return path.removeprefix(root.rstrip("/") + "/") if root else path


def _titled(*titles: str) -> str:
    """An id of titles, without line breaks."""
    return " > ".join(" ".join(title.split()) for title in titles if title.strip())


def read_jest(data: bytes, root: str = "") -> tuple[TestResult, ...]:
    """The results in what `jest --json` writes, as `file > suite > test`; the file as seen from `root`.

    A file that could not be loaded is an "error" under its path. Raises RequestError if it is no such JSON or too
    large.
    """
    if len(data) > XML_BYTES:
        raise RequestError(f"the results are {len(data)} bytes of JSON, more than {XML_BYTES}.")
    try:
        told = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise RequestError(f"the results are no readable JSON: {error}.") from error
    results: list[TestResult] = []
    for suite in _objects(told, "testResults"):
        file = _below(str(suite.get("name", "")), root)
        cases = _objects(suite, "assertionResults")
        if not cases and suite.get("status") == "failed" and file:
            message = shortened(_plain(str(suite.get("message", ""))))
            results.append(TestResult(id=file[:_ID_CHARACTERS], outcome="error", message=message))
        for case in cases:
            above = case.get("ancestorTitles")
            titles = [str(title) for title in above] if isinstance(above, list) else []
            failures = case.get("failureMessages")
            message = "\n\n".join(map(str, failures[:20])) if isinstance(failures, list) else ""
            milliseconds = case.get("duration")
            outcome = _OF_JEST.get(str(case.get("status")), "skipped")
            results.append(
                TestResult(
                    id=_titled(file, *titles[:_DEPTH], str(case.get("title", "")))[:_ID_CHARACTERS] or "(no name)",
                    outcome=outcome,
                    seconds=_seconds(str(milliseconds)) / 1000,
                    message=shortened(_plain(message)) if outcome == "failed" else "",
                )
            )
            if len(results) > RESULTS:
                raise RequestError(f"the results hold more than {RESULTS} tests.")
    return _merged(results)


_OF_JEST: dict[str, Outcome] = {"passed": "passed", "failed": "failed"}


def _objects(told: object, key: str) -> list[dict[str, object]]:
    found = told.get(key) if isinstance(told, dict) else None
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def _plain(text: str) -> str:
    """Text without a terminal's colours."""
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


def _dotted(path: str) -> str:
    return path.removesuffix(".py").replace("/", ".").replace("\\", ".")


def _pytest_id(case: _Case, modules: dict[str, str]) -> str:
    """pytest writes the id with its `/` and `::` turned into dots; `file` says where the function was written.

    That is another file for a method inherited from a base class elsewhere: then another test's file, or the
    names that look like a path, stand in.
    """
    dotted = case.classname or case.name
    file = case.file.replace("\\", "/")
    if not _within(dotted, _dotted(file)) or not file:
        known = [module for module in modules if _within(dotted, module)]
        file = modules[max(known, key=len)] if known else _guessed(dotted)
    if not case.classname:
        return file
    classes = [part for part in dotted[len(_dotted(file)) :].split(".") if part]
    return "::".join([file, *classes, case.name])


def _within(dotted: str, module: str) -> bool:
    return dotted == module or dotted.startswith(module + ".")


def _guessed(dotted: str) -> str:
    parts = dotted.split(".")
    end = next((i for i, part in enumerate(parts) if i and part[:1].isupper()), len(parts))
    return "/".join(parts[:end]) + ".py"


def _merged(results: Iterable[TestResult]) -> tuple[TestResult, ...]:
    """One result per id: the worst outcome, all messages."""
    merged: dict[str, TestResult] = {}
    for result in results:
        first = merged.get(result.id)
        if first is None:
            merged[result.id] = result
            continue
        message = first.message
        if result.message not in message:
            message = shortened(f"{message}\n\n{result.message}".strip())
        merged[result.id] = replace(
            first,
            outcome=min(first.outcome, result.outcome, key=_worst),
            seconds=first.seconds + result.seconds,
            message=message,
        )
    return tuple(merged.values())


_POINT = re.compile(r"^(\s*)(not ok|ok)\b(?:\s+(\d+))?\s*-?\s*(.*)$")
_PLAN = re.compile(r"^1\.\.(\d+)")


def read_tap(text: str) -> tuple[TestResult, ...]:
    """The test points of TAP 12 to 14, named `parent > child`; a parent with children is only their sum.

    A point marked TODO may fail. A plan that promised more points, and a bail-out, are an "error" of their own.
    """
    results: list[TestResult] = []
    pending: dict[int, list[TestResult]] = {}
    planned, points = None, 0
    diagnosis: list[str] | None = None
    last_indent = 0
    for line in text.split("\n"):
        stripped = line.strip()
        if diagnosis is not None:
            if stripped == "...":
                level = pending.setdefault(last_indent, [])
                if level and level[-1].outcome in ("failed", "error") and not level[-1].message:
                    level[-1] = replace(level[-1], message=shortened("\n".join(diagnosis)))
                diagnosis = None
            elif len(diagnosis) < 2_000:
                diagnosis.append(stripped)
            continue
        if stripped == "---" and line[:1] == " ":
            diagnosis = []
        elif stripped.startswith("Bail out!"):
            results.append(TestResult(id="(bail out)", outcome="error", message=shortened(stripped)))
        elif (plan := _PLAN.match(line)) is not None:
            planned = int(plan[1][:9])
        elif (point := _POINT.match(line)) is not None:
            last_indent = len(point[1])
            points += last_indent == 0
            found = _point(point[2] == "ok", point[4], int((point[3] or "0")[:9]))
            inside = [child for depth in sorted(pending) if depth > last_indent for child in pending[depth]]
            for depth in [depth for depth in pending if depth > last_indent]:
                del pending[depth]
            children = [replace(child, id=f"{found.id} > {child.id}"[:_ID_CHARACTERS]) for child in inside]
            failing = any(child.outcome in ("failed", "error") for child in children)
            if not children or (found.outcome == "failed" and not failing):
                children.append(found)
            pending.setdefault(last_indent, []).extend(children)
        if sum(map(len, pending.values())) > RESULTS:
            raise RequestError(f"the results hold more than {RESULTS} tests.")
    found_all = [*(child for depth in sorted(pending) for child in pending[depth]), *results]
    if planned is not None and points < planned:
        told = f"{planned} tests were planned, {points} ran"
        found_all.append(TestResult(id="(plan)", outcome="error", message=told))
    return _merged(found_all)


def _point(passed: bool, rest: str, number: int) -> TestResult:
    title, _, directive = re.sub(r"\\#", "\0", rest).partition("#")
    name = title.replace("\0", "#").strip()[:_ID_CHARACTERS] or f"test {number}"
    word = directive.strip()[:4].lower()
    outcome: Outcome = "passed" if passed else "failed"
    if word == "skip" or (word == "todo" and not passed):
        outcome = "skipped"
    return TestResult(id=name, outcome=outcome)


def read_go(text: str) -> tuple[TestResult, ...]:
    """The results in the lines of `go test -json`, named `package.Test`.

    A package that fails with no failing test (it did not build) is an "error" under its name.
    """
    outcomes: dict[str, Outcome] = {"pass": "passed", "fail": "failed", "skip": "skipped"}
    results: list[TestResult] = []
    output: dict[str, list[str]] = {}
    broken: list[TestResult] = []
    failing: set[str] = set()
    for line in text.split("\n"):
        if not line.startswith("{"):
            continue
        try:
            event = json.loads(line)
        except (ValueError, RecursionError):
            continue
        package = str(event.get("Package") or event.get("ImportPath") or "").split(" ")[0]
        name = f"{package}.{event['Test']}" if event.get("Test") else package
        action = str(event.get("Action", ""))
        if action in ("output", "build-output"):
            kept = output.setdefault(name, [])
            kept.append(str(event.get("Output", ""))[:4_000])
            del kept[:-200]
        elif action in outcomes and name:
            elapsed = event.get("Elapsed")
            seconds = float(elapsed) if isinstance(elapsed, (int, float)) else 0.0
            outcome = outcomes[action]
            message = shortened("".join(output.get(name, ()))) if outcome == "failed" else ""
            found = TestResult(id=name[:_ID_CHARACTERS], outcome=outcome, seconds=seconds, message=message)
            if event.get("Test"):
                results.append(found)
                if outcome == "failed":
                    failing.add(package)
            elif outcome == "failed":
                broken.append(replace(found, outcome="error"))
    return _merged([*results, *(result for result in broken if result.id not in failing)][:RESULTS])


def read_cargo(text: str) -> tuple[TestResult, ...]:
    """The results in what `cargo test` prints, under each test's own path."""
    words: dict[str, Outcome] = {"ok": "passed", "FAILED": "failed", "ignored": "skipped"}
    messages = {
        match[1]: match[2].strip()
        for match in re.finditer(r"^---- (.+?) stdout ----\n(.*?)(?=^---- |^failures:|\Z)", text, re.M | re.S)
    }
    lines = re.findall(r"^test (.+?)(?: - should panic)? \.\.\. (ok|FAILED|ignored)\b", text, re.MULTILINE)
    return _merged(
        TestResult(
            id=name[:_ID_CHARACTERS],
            outcome=words[word],
            message=shortened(messages.get(name, "")) if word == "FAILED" else "",
        )
        for name, word in lines[:RESULTS]
    )


def read_unittest(text: str) -> tuple[TestResult, ...]:
    """The results in what `python -m unittest -v` prints, named so that unittest takes them back."""
    words: dict[str, Outcome] = {
        "ok": "passed",
        "FAIL": "failed",
        "ERROR": "error",
        "skipped": "skipped",
        "expected failure": "skipped",
        "unexpected success": "failed",
    }
    messages: dict[str, str] = {}
    block = re.compile(
        r"^={70}\n(?:FAIL|ERROR): (\S+) \((\S+?)\).*?\n-{70}\n(.*?)(?=^={70}$|^-{70}$|\Z)", re.M | re.S
    )
    for match in block.finditer(text):
        messages.setdefault(_unittest_id(match[1], match[2]), match[3].strip())
    line = re.compile(
        r"^(\w+) \(([\w.]+)[^)]*\)(?:\n[^\n(]*)? \.\.\. (?:.*?)"
        r"(ok|FAIL|ERROR|skipped|expected failure|unexpected success)\b",
        re.MULTILINE,
    )
    results = [
        TestResult(id=name, outcome=words[match[3]], message=shortened(messages.get(name, "")))
        for match in line.finditer(text)
        for name in [_unittest_id(match[1], match[2])]
    ]
    return _merged(results[:RESULTS])


def _unittest_id(method: str, place: str) -> str:
    # Python 3.11 writes the method at the end of the place too. A module that did not load is a "_FailedTest".
    place = place.removeprefix("unittest.loader._FailedTest.").removeprefix("unittest.loader._FailedTest")
    if not place:
        return method
    return place if place == method or place.endswith("." + method) else f"{place}.{method}"
