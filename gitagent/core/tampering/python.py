"""Python, by its syntax tree: what became of each test, and what code knows of being tested."""

import ast
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from difflib import SequenceMatcher

from gitagent.core.tampering.findings import Finding, Kind

_SKIPS = {"skip", "skipif", "skipunless", "xfail", "expectedfailure", "skiptest", "importorskip", "exit"}
_TOLERANT = {
    "rel",
    "abs",
    "places",
    "delta",
    "tolerance",
    "tol",
    "atol",
    "rtol",
    "rel_tol",
    "abs_tol",
    "msec",
    "timeout",
}
_LIKE = 0.6
Function = ast.FunctionDef | ast.AsyncFunctionDef


def in_test(path: str, old: str | None, new: str) -> list[Finding]:
    """What a new text of a Python test file takes from its tests; a new file may hold anything but ways around."""
    after = _parsed(new)
    if after is None:
        return [Finding(path=path, line=0, kind="deleted", what="the tests do not parse")]
    before = _parsed(old or "")
    if before is None:
        return []  # there were no tests that could run
    return list(_Compared(path, _read(before), _read(after)).findings())


def in_source(path: str, old: str, new: str) -> list[Finding]:
    """Where code that is no test begins to know that it is tested."""
    before, after = _parsed(old), _parsed(new)
    if after is None:
        return []
    known = Counter(what for _, what in _knowing(before)) if before else Counter[str]()
    found = []
    for line, what in _knowing(after):
        known[what] -= 1
        if known[what] < 0:
            found.append(Finding(path=path, line=line, kind="special-cased", what=what))
    return found


def _parsed(text: str) -> ast.Module | None:
    try:
        return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


@dataclass(slots=True)
class _Read:
    """A test file: functions by qualified name, what skips, tables of the module by name."""

    functions: dict[str, Function] = field(default_factory=dict)
    twice: list[tuple[str, int]] = field(default_factory=list)
    skips: list[tuple[str, int]] = field(default_factory=list)
    tables: dict[str, ast.expr] = field(default_factory=dict)


def _read(module: ast.Module) -> _Read:
    read = _Read()
    _gather(module.body, "", read)
    for node in ast.walk(module):
        word = _skip(node)
        if word:
            read.skips.append((word, getattr(node, "lineno", 0)))
    return read


def _gather(body: list[ast.stmt], prefix: str, read: _Read) -> None:
    for node in body:
        if isinstance(node, Function):
            name = prefix + node.name
            overload = any(not isinstance(one, ast.Name) or one.id != "fixture" for one in node.decorator_list)
            if name in read.functions and not (overload and not node.name.startswith("test")):
                read.twice.append((name, node.lineno))
            read.functions[name] = node
        elif isinstance(node, ast.ClassDef):
            _gather(node.body, f"{prefix}{node.name}.", read)
        elif isinstance(node, (ast.If, ast.Try)):
            _gather(node.body, prefix, read)
        elif isinstance(node, ast.Assign) and isinstance(node.value, (ast.List, ast.Tuple, ast.Dict, ast.Set)):
            for target in node.targets:
                if isinstance(target, ast.Name):
                    read.tables[prefix + target.id] = node.value


def _skip(node: ast.AST) -> str:
    """What makes a test not count, by name: a mark, a call, an assignment that pytest obeys."""
    if isinstance(node, ast.Attribute) and node.attr.lower() in _SKIPS and _root(node) not in ("sys", "os"):
        return node.attr
    if isinstance(node, ast.Name) and node.id in (
        "SkipTest",
        "skip",
        "skipIf",
        "skipUnless",
        "expectedFailure",
        "xfail",
    ):
        return node.id
    if isinstance(node, ast.Call) and _dotted(node.func) in ("os._exit", "sys.exit", "exit", "quit"):
        return _dotted(node.func)
    if isinstance(node, ast.Assign):
        named = {target.id for target in node.targets if isinstance(target, ast.Name)}
        if named & {"collect_ignore", "collect_ignore_glob"}:
            return "collect_ignore"
        if "__test__" in named and isinstance(node.value, ast.Constant) and not node.value.value:
            return "__test__"
    if isinstance(node, Function) and node.name.startswith("pytest_"):
        return node.name
    if isinstance(node, ast.keyword) and node.arg == "autouse":
        return "autouse"
    return ""


class _Compared:
    def __init__(self, path: str, before: _Read, after: _Read) -> None:
        self._path, self._before, self._after = path, before, after

    def findings(self) -> Iterator[Finding]:
        gone = [name for name in self._before.functions if name not in self._after.functions]
        come = [name for name in self._after.functions if name not in self._before.functions]
        for name in gone:
            if _is_test(name):
                yield self._gone(name, come)
        for name, node in self._after.functions.items():
            if name in self._before.functions:
                yield from self._changed(name, self._before.functions[name], node)
        yield from self._more(self._before.skips, self._after.skips, "skipped", "{} makes tests not count")
        yield from self._more(
            self._before.twice, self._after.twice, "deleted", "{} is defined again, which hides a test"
        )
        for name, value in self._before.tables.items():
            now = self._after.tables.get(name)
            lost = _lost_cases(value, now) if now is not None else 0
            if lost:
                yield self._finding(now or value, "cases", f"{lost} of the cases in {name} are gone or changed")

    def _gone(self, name: str, come: list[str]) -> Finding:
        node = self._before.functions[name]
        body = _dumps(node)
        for other in come:
            if SequenceMatcher(a=body, b=_dumps(self._after.functions[other]), autojunk=False).ratio() >= _LIKE:
                return self._finding(self._after.functions[other], "renamed", f"{name} is renamed {other}")
        return self._finding(node, "deleted", f"{name} is deleted")

    def _changed(self, name: str, old: Function, new: Function) -> Iterator[Finding]:
        lost = _lost_parameters(old, new)
        if lost:
            yield self._finding(new, "cases", f"{lost} of the cases of {name} are gone or changed")
        asserts, kept = _asserts(old), Counter(_asserts(new))
        removed = [one for one in asserts if not _take(kept, one)]
        if removed:
            yield self._weakened(name, new, removed, list(kept.elements()))
            return
        before, after = _dumps(old), _dumps(new)
        if not _is_subsequence(before, after):
            yield self._finding(new, "changed", f"{name} is changed")
            return
        added = _added(before, new)
        around = next((node for node in added if _goes_round(node)), None)
        if around is not None and _is_test(name):
            yield self._finding(around, "weakened", f"{name} returns, patches or catches before its end")

    def _weakened(self, name: str, new: Function, removed: list[str], added: list[str]) -> Finding:
        if len(added) < len(removed):
            return self._finding(
                new, "weakened", f"{name} has {_count(len(removed) - len(added), 'assertion')} fewer"
            )
        if any(_without_numbers(one) == _without_numbers(two) for one in removed for two in added):
            tolerant = any(
                word in one.lower() for one in removed for word in ("approx", "close", "almost", "delta")
            )
            words = "a tolerance of {} is changed" if tolerant else "what {} expects is changed"
            return self._finding(new, "tolerance" if tolerant else "weakened", words.format(name))
        return self._finding(new, "weakened", f"what {name} asserts is changed")

    def _more(
        self, before: list[tuple[str, int]], after: list[tuple[str, int]], kind: Kind, words: str
    ) -> Iterator[Finding]:
        left = Counter(word for word, _ in before)
        for word, line in after:
            left[word] -= 1
            if left[word] < 0:
                yield Finding(path=self._path, line=line, kind=kind, what=words.format(word))
                return

    def _finding(self, node: ast.AST, kind: Kind, what: str) -> Finding:
        return Finding(path=self._path, line=getattr(node, "lineno", 0), kind=kind, what=what)


def _is_test(name: str) -> bool:
    return name.rpartition(".")[2].startswith("test")


def _statements(node: Function) -> list[ast.stmt]:
    """A function's statements without its docstring."""
    body = node.body
    first = body[0] if body else None
    is_text = (
        isinstance(first, ast.Expr)
        and isinstance(first.value, ast.Constant)
        and isinstance(first.value.value, str)
    )
    return body[1:] if is_text else body


def _dumps(node: Function) -> list[str]:
    return [ast.dump(one) for one in _statements(node)]


def _is_subsequence(small: list[str], large: list[str]) -> bool:
    rest = iter(large)
    return all(one in rest for one in small)


def _added(before: list[str], new: Function) -> list[ast.stmt]:
    known = Counter(before)
    return [node for node in _statements(new) if not _take(known, ast.dump(node))]


def _take(known: "Counter[str]", word: str) -> bool:
    if known[word] <= 0:
        return False
    known[word] -= 1
    return True


def _goes_round(node: ast.stmt) -> bool:
    """Whether an added statement may keep those after it from judging."""
    for one in ast.walk(node):
        if isinstance(one, (ast.Return, ast.Try, ast.Raise)):
            return True
        if isinstance(one, ast.Call) and _dotted(one.func).rpartition(".")[2] in (
            "patch",
            "setattr",
            "setitem",
            "suppress",
        ):
            return True
        if isinstance(one, ast.Assign) and any(isinstance(target, ast.Attribute) for target in one.targets):
            return True
    return False


def _asserts(node: Function) -> list[str]:
    """Each assertion of a function, with what it stands behind: conditions, loops, handlers."""
    found: list[str] = []

    def walk(body: list[ast.stmt], guards: str) -> None:
        for one in body:
            if isinstance(one, ast.Assert):
                found.append(guards + ast.dump(one.test))
            elif isinstance(one, ast.Expr) and isinstance(one.value, ast.Call) and _is_assert(one.value):
                found.append(guards + ast.dump(one.value))
            elif isinstance(one, (ast.With, ast.AsyncWith)):
                for item in one.items:
                    call = item.context_expr
                    if isinstance(call, ast.Call) and (
                        _is_assert(call) or _dotted(call.func).endswith(("raises", "warns"))
                    ):
                        found.append(guards + ast.dump(call))
                hides = any("suppress" in ast.dump(item.context_expr) for item in one.items)
                walk(one.body, guards + ("suppressed " if hides else ""))
            elif isinstance(one, (ast.If, ast.For, ast.AsyncFor, ast.While)):
                walk(one.body, f"{guards}{type(one).__name__} ")
                walk(one.orelse, f"{guards}{type(one).__name__} ")
            elif isinstance(one, ast.Try):
                walk(one.body, guards + ("Try " if one.handlers else ""))
                walk(one.orelse + one.finalbody, guards)

    walk(_statements(node), "")
    return found


def _is_assert(call: ast.Call) -> bool:
    last = _dotted(call.func).rpartition(".")[2]
    return last.startswith("assert") or last == "fail"


def _lost_parameters(old: Function, new: Function) -> int:
    """Cases of `parametrize` that are no longer there."""

    def cases(node: Function) -> "Counter[str]":
        found: Counter[str] = Counter()
        for mark in node.decorator_list:
            if isinstance(mark, ast.Call) and _dotted(mark.func).endswith("parametrize") and len(mark.args) > 1:
                values = mark.args[1]
                each = values.elts if isinstance(values, (ast.List, ast.Tuple, ast.Set)) else [values]
                found.update(ast.dump(one) for one in each)
        return found

    return sum((cases(old) - cases(new)).values())


def _lost_cases(old: ast.expr, new: ast.expr) -> int:
    def cases(value: ast.expr) -> "Counter[str]":
        if isinstance(value, ast.Dict):
            pairs = zip(value.keys, value.values, strict=True)
            return Counter((ast.dump(key) if key else "") + ast.dump(one) for key, one in pairs)
        return Counter(ast.dump(one) for one in getattr(value, "elts", [value]))

    return sum((cases(old) - cases(new)).values())


def _without_numbers(dump: str) -> str:
    """A dump with its numbers and strings taken out: what it compares, not with what."""
    return "".join(part for at, part in enumerate(_split_constants(dump)) if at % 2 == 0)


def _split_constants(dump: str) -> list[str]:
    parts, rest = [], dump
    while (at := rest.find("Constant(")) >= 0:
        end = rest.find(")", at)
        parts += [rest[:at], rest[at : end + 1]]
        rest = rest[end + 1 :]
    return [*parts, rest]


def _knowing(module: ast.Module) -> Iterator[tuple[int, str]]:
    """Where code looks whether it is under test, or ends the process before tests can fail."""
    for node in ast.walk(module):
        if isinstance(node, ast.Constant) and node.value in ("PYTEST_CURRENT_TEST", "PYTEST_VERSION"):
            yield node.lineno, "the code looks whether pytest runs it"
        elif isinstance(node, ast.Compare) and "sys.modules" in {_dotted(one) for one in node.comparators}:
            if isinstance(node.left, ast.Constant) and node.left.value in ("pytest", "_pytest", "unittest"):
                yield node.lineno, "the code looks whether a test runner is loaded"
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else [one.name for one in node.names]
            if any(name.partition(".")[0] in ("pytest", "_pytest") for name in names):
                yield node.lineno, "code that is no test imports pytest"
        elif isinstance(node, ast.Call) and _dotted(node.func) == "os._exit":
            yield node.lineno, "the process is ended before a test can fail"


def _dotted(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return f"{_dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def _root(node: ast.Attribute) -> str:
    return _dotted(node).partition(".")[0]


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
