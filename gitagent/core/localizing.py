"""Which lines are to blame: coverage of failing against passing tests, tracebacks, and names."""

import ast
import math
import re
import warnings
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from gitagent.records import Coverage, Span, Suspect, TestResult

# Parts of the score, joined as independent evidence: 1 - (1 - a)(1 - b)...
_UNRUN = 0.1
_COVERED, _DEEPEST, _NAMED, _BESIDE = 0.75, 0.6, 0.3, 0.25
_AT_IMPORT = 0.35  # lines that run when the module is imported run for every test
_NOT_RUN = 0.06  # beside suspects, yet run by no failing test
_MESSAGE_CHARS = 200_000

_FRAME = re.compile(
    r"""^\s*File\ "(?P<file>[^"\n]+)",\ line\ (?P<number>\d+)(?:,\ in\ (?P<name>[^\n]+))?
      | ^(?P<path>[^\s:][^:\n]*\.py):(?P<line>\d+):\ ?(?:in\ (?P<function>[^\n]+))?""",
    re.VERBOSE | re.MULTILINE,
)
_CALL = re.compile(r"([A-Za-z_]\w*)\s*\(")
_WORD = re.compile(r"[A-Za-z_]\w*")
_ORDINARY = """
    the and for with that this from not are was has have should when then test tests fail fails failed failing
    fix bug issue error true false none self assert raise return returns def class import line file expected got
    len str int list dict set tuple isinstance print range sorted type bool float repr object value values name
    pytest"""
_COMMON = frozenset(_ORDINARY.split())


@dataclass(frozen=True, slots=True)
class _File:
    """What is known of a Python file without running it."""

    functions: tuple[Span, ...]
    within: dict[int, Span]
    at_import: frozenset[int]
    statements: frozenset[int]
    uses: Mapping[int, frozenset[str]] = field(hash=False)
    stores: Mapping[str, int] = field(hash=False)


def rank(
    coverage: Sequence[Coverage],
    red: Sequence[TestResult],
    texts: Mapping[str, str],
    request_text: str,
    *,
    test_paths: Collection[str] | Callable[[str], bool] = (),
    limit: int = 1000,
) -> tuple[Suspect, ...]:
    """Lines under suspicion, best first, at most `limit`.

    `texts` are the files that may be to blame or hold the failing tests, by path. A line's score joins how much
    more failing than passing tests ran it (Ochiai), whether the red tests' tracebacks go through it (the deepest
    frame most) and whether the tests, their messages or the request name its function. Lines that run at import
    count less. Lines that no failing test ran come last, where they are beside suspects or bind a name that
    suspects use. Test files are never suspects. Without coverage, tracebacks and names alone decide.
    """
    is_test = test_paths if callable(test_paths) else frozenset(test_paths).__contains__
    files = {
        path: known
        for path, text in texts.items()
        if path.endswith(".py") and not is_test(path) and (known := _read(path, text)) is not None
    }
    covered, passing = _ochiai(coverage, files)
    any_covered = bool(covered)
    framed = _framed(red, files)
    named = _named(red, texts, request_text, files)
    scores: dict[tuple[str, int], float] = {}
    reasons: dict[tuple[str, int], str] = {}
    hot = {(path, files[path].within[line].first_line) for path, line in framed if line in files[path].within}
    every = set(covered) | set(framed) | {(p, n) for p, span in named for n in files[p].statements if _in(n, span)}
    for path, line in every:
        known = files[path]
        span = known.within.get(line)
        ochiai = covered.get((path, line), 0.0)
        evidence = [_COVERED * ochiai, framed.get((path, line), 0.0)]
        said = [f"run by {passing[path, line]}"] if (path, line) in passing else []
        if evidence[1]:
            said.append("in the traceback")
        if span is not None and (path, span) in named:
            # A name is no evidence against lines that no failing test runs, where it is known what they run.
            ran = not any_covered or (path, line) in covered
            evidence.append(_NAMED * named[path, span] * (1.0 if ran else _UNRUN))
            said.append(f"{span.name} is named")
        if span is not None and (path, span.first_line) in hot and (not coverage or (path, line) in covered):
            evidence.append(_BESIDE)
        score = 1.0 - math.prod(1.0 - part for part in evidence)
        scores[path, line] = score * (_AT_IMPORT if line in known.at_import and not evidence[1] else 1.0)
        reasons[path, line] = ", ".join(said) or "beside a traceback's line"
    _add_quiet_lines(scores, reasons, files)
    found = [
        Suspect(path=path, line=line, score=round(min(score, 1.0), 4), reason=reasons[path, line])
        for (path, line), score in scores.items()
        if score > 0.0005
    ]
    found.sort(key=lambda suspect: (-suspect.score, suspect.path, suspect.line))
    return tuple(found[:limit])


def functions(path: str, text: str) -> tuple[Span, ...]:
    """The file's functions and methods in order, named `Class.method`, decorators included.

    What stands outside any function is one last Span named `<module>` over the whole file. A text that is no
    Python is that one Span. Nested functions belong to the one around them.
    """
    lines = text.count("\n") + (0 if text.endswith("\n") or not text else 1)
    whole = Span(path=path, name="<module>", first_line=1, last_line=max(lines, 1))
    tree = _parse(text)
    return (*(_spans(path, tree, "") if tree is not None else ()), whole)


def frames(message: str) -> tuple[tuple[str, int, str], ...]:
    """The (path, line, function) of a Python traceback, outermost first, as it is printed by the interpreter or
    by pytest; the function is "" where it is not told. Paths are as printed, with `/`.
    """
    found: list[tuple[str, int, str]] = []
    for match in _FRAME.finditer(message[:_MESSAGE_CHARS]):
        path = match["file"] or match["path"]
        number = int((match["number"] or match["line"])[:9])
        name = (match["name"] or match["function"] or "").strip()
        frame = (path.replace("\\", "/"), number, name)
        if not found or found[-1][:2] != frame[:2]:
            found.append(frame)
    return tuple(found)


def _parse(text: str) -> ast.Module | None:
    try:
        with warnings.catch_warnings():  # odd escapes in a string are not our reader's business
            warnings.simplefilter("ignore")
            return ast.parse(text.encode("utf-8", "surrogateescape"))  # bytes: the file may declare its encoding
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _spans(path: str, node: ast.AST, prefix: str) -> Iterator[Span]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)):
            first = min([child.lineno, *(decorator.lineno for decorator in child.decorator_list)])
            last = child.end_lineno or child.lineno
            yield Span(path=path, name=prefix + child.name, first_line=first, last_line=last)
        elif isinstance(child, ast.ClassDef):
            yield from _spans(path, child, f"{prefix}{child.name}.")
        elif isinstance(child, (ast.stmt, ast.excepthandler)):
            yield from _spans(path, child, prefix)


def _read(path: str, text: str) -> _File | None:
    tree = _parse(text)
    if tree is None:
        return None
    spans = tuple(_spans(path, tree, ""))
    within = {line: span for span in spans for line in range(span.first_line, span.last_line + 1)}
    at_import: set[int] = set()
    statements: set[int] = set()
    uses: dict[int, frozenset[str]] = {}
    stores: dict[str, int] = {}
    _walk(tree, False, at_import, statements, uses, stores)
    return _File(spans, within, frozenset(at_import), frozenset(statements), uses, stores)


def _walk(
    node: ast.AST,
    inside: bool,
    at_import: set[int],
    statements: set[int],
    uses: dict[int, frozenset[str]],
    stores: dict[str, int],
) -> None:
    """Gather statement lines, those run at import, the names lines use, and where the module binds names."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.stmt) and not _is_docstring(child):
            statements.add(child.lineno)
            if not inside:
                at_import.update(range(child.lineno, _head_end(child) + 1))
                for target in getattr(child, "targets", [getattr(child, "target", None)]):
                    for name in ast.walk(target) if target is not None else ():
                        if isinstance(name, ast.Name):
                            stores.setdefault(name.id, child.lineno)
            else:
                names = {n.id for n in ast.walk(child) if isinstance(n, ast.Name)}
                names |= {n.attr for n in ast.walk(child) if isinstance(n, ast.Attribute)}
                uses[child.lineno] = frozenset(names)
        if isinstance(child, (ast.stmt, ast.excepthandler, ast.match_case)):
            function = isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef))
            _walk(child, inside or function, at_import, statements, uses, stores)


def _head_end(node: ast.stmt) -> int:
    body = getattr(node, "body", None)
    return max(node.lineno, body[0].lineno - 1) if body else node.end_lineno or node.lineno


def _is_docstring(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _in(line: int, span: Span) -> bool:
    return span.first_line <= line <= span.last_line


def _ochiai(
    coverage: Sequence[Coverage], files: Mapping[str, _File]
) -> tuple[dict[tuple[str, int], float], dict[tuple[str, int], str]]:
    """Ochiai by line, of lines a failing test ran, and how many failing and passing tests ran it, in words."""
    failing = [one for one in coverage if one.outcome in {"failed", "error"}]
    passing = [one for one in coverage if one.outcome == "passed"]
    bad: dict[str, Counter[int]] = defaultdict(Counter)
    good: dict[str, Counter[int]] = defaultdict(Counter)
    for one in failing:
        for path, lines in one.lines.items():
            if path in files:
                bad[path].update(lines)
    for one in passing:
        for path, lines in one.lines.items():
            if path in bad:
                good[path].update(lines & bad[path].keys())
    scores: dict[tuple[str, int], float] = {}
    said: dict[tuple[str, int], str] = {}
    for path, counted in bad.items():
        for line, times in counted.items():
            also = good[path][line]
            scores[path, line] = times / math.sqrt(len(failing) * (times + also))
            said[path, line] = f"{times} failing, {also} passing"
    return scores, said


def _framed(red: Sequence[TestResult], files: Mapping[str, _File]) -> dict[tuple[str, int], float]:
    """Lines the tracebacks go through: the deepest frame of ours most, each further out two thirds of that."""
    found: dict[tuple[str, int], float] = {}
    tails = _tails(files)
    for result in red:
        ours = []
        for path, line, _ in frames(result.message):
            known = _match(path, tails)
            if known is not None:
                ours.append((known, line))
        for depth, place in enumerate(dict.fromkeys(reversed(ours))):
            found[place] = max(found.get(place, 0.0), _DEEPEST * (2 / 3) ** depth)
    return found


def _tails(files: Mapping[str, _File]) -> dict[str, list[str]]:
    tails: dict[str, list[str]] = defaultdict(list)
    for path in files:
        tails[path.rsplit("/", 1)[-1]].append(path)
    return tails


def _match(printed: str, tails: Mapping[str, Sequence[str]]) -> str | None:
    """The known path a printed one means: the longest that it equals or ends with."""
    cleaned = printed.removeprefix("./")
    fitting = [p for p in tails.get(cleaned.rsplit("/", 1)[-1], ()) if f"/{cleaned}".endswith(f"/{p}")]
    return max(fitting, key=len, default=None)


def _named(
    red: Sequence[TestResult], texts: Mapping[str, str], request_text: str, files: Mapping[str, _File]
) -> dict[tuple[str, Span], float]:
    """Functions (or their classes) that the request, the failing lines, the tests or their names mention."""
    words: dict[str, float] = {}
    started: set[str] = set()

    def told(found: Collection[str], worth: float) -> None:
        for word in found:
            if word.lower() not in _COMMON and len(word) > 2:
                words[word] = max(words.get(word, 0.0), worth)

    told(_WORD.findall(request_text[:_MESSAGE_CHARS]), 0.8)
    for result in red:
        message = result.message[:_MESSAGE_CHARS]
        failing = "\n".join(line for line in message.split("\n") if line.startswith((">", "E")))
        told(_CALL.findall(failing), 1.0)
        told(_CALL.findall(message), 0.5)
        source = test_source(result.id, texts)
        told(_CALL.findall(source), 0.7)
        started |= {path for path in files if re.search(rf"[\"'/ ]{re.escape(path.rsplit('/', 1)[-1])}\b", source)}
        told(_WORD.findall(result.id.rsplit("::", 1)[-1].split("[")[0].removeprefix("test_")), 0.6)
    parts = Counter(part for word in words for part in (word.lower(), word.lower().strip("_")))
    found: dict[tuple[str, Span], float] = {}
    for path, known in files.items():
        for span in known.functions:
            *owners, name = span.name.split(".")
            worth = words.get(name, 0.0)
            if not worth and name in {"__init__", "__call__", "__new__"} and owners:
                worth = 0.7 * words.get(owners[-1], 0.0)
            if not worth and parts[name.lower().strip("_")]:
                worth = 0.5
            if not worth and owners and owners[-1] in words:
                worth = 0.3
            if not worth and path in started:
                worth = 0.3
            if worth:
                found[path, span] = worth
    return found


def test_source(test: str, texts: Mapping[str, str]) -> str:
    """The text of the test function an id names (`path::Class::test[case]`), or "" if it is not at hand."""
    path, _, rest = test.partition("::")
    text = texts.get(path, "")
    name = rest.split("[")[0].replace("::", ".")
    for span in functions(path, text) if rest and text else ():
        if span.name == name:
            return "\n".join(text.split("\n")[span.first_line - 1 : span.last_line])
    return ""


def _add_quiet_lines(
    scores: dict[tuple[str, int], float], reasons: dict[tuple[str, int], str], files: Mapping[str, _File]
) -> None:
    """Lines no failing test ran: in a suspect's function, its head, or binding a module's name it uses."""
    top: dict[tuple[str, Span], float] = {}
    used: dict[str, dict[str, float]] = defaultdict(dict)
    for (path, line), score in list(scores.items()):
        span = files[path].within.get(line)
        if span is not None:
            top[path, span] = max(top.get((path, span), 0.0), score)
        for name in files[path].uses.get(line, ()):
            used[path][name] = max(used[path].get(name, 0.0), score)
    for (path, span), score in top.items():
        for line in range(span.first_line, span.last_line + 1):
            if line in files[path].statements and scores.get((path, line), 0.0) < score * _NOT_RUN:
                scores[path, line] = score * (_AT_IMPORT if line in files[path].at_import else _NOT_RUN)
                reasons.setdefault((path, line), f"in {span.name}, run by no failing test")
    for path, names in used.items():
        for name, score in names.items():
            bound = files[path].stores.get(name)
            if bound is not None and scores.get((path, bound), 0.0) < score * 0.4:
                scores[path, bound] = score * 0.4
                reasons[path, bound] = f"binds {name}, which a suspect uses"


def about(coverage: Sequence[Coverage], red: Collection[str]) -> tuple[Coverage, ...]:
    """The coverage without tests that fail too, but are not the ones to be mended: they tell of other bugs."""
    kept = tuple(
        one for one in coverage if not one.test or one.outcome not in ("failed", "error") or one.test in red
    )
    return kept if any(one.test in red for one in kept) else tuple(coverage)


def files_by_coverage(coverage: Sequence[Coverage], named: Sequence[str]) -> tuple[str, ...]:
    """Files worth reading, best first: those named outright, then those red tests run and few green ones do.

    `named` are paths the request's words lead to, best first. What is only imported comes last.
    """
    red: Counter[str] = Counter()
    green: Counter[str] = Counter()
    imported: dict[str, None] = {}
    for one in coverage:
        if not one.test:
            imported.update(dict.fromkeys(one.lines))
        elif one.outcome == "passed":
            green.update(list(one.lines))
        else:
            red.update({path: len(lines) for path, lines in one.lines.items()})
    place = {path: position for position, path in enumerate(named)}
    run = sorted(red, key=lambda path: (green[path], place.get(path, len(place)), -red[path], path))
    return tuple(dict.fromkeys([*named[:3], *run, *named, *imported]))


def files_by_words(text: str, paths: Collection[str]) -> tuple[str, ...]:
    """Paths that share words with a request, best first; a path written out in full is best of all."""
    words = set(re.findall(r"[a-z0-9]{3,}", text.lower()))
    scored = []
    for path in paths:
        parts = set(re.findall(r"[a-z0-9]{3,}", path.lower()))
        shared = len(words & parts) / (1 + len(parts)) + 10 * (path in text)
        if shared:
            scored.append((-shared, path))
    return tuple(path for _, path in sorted(scored))
