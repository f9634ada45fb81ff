"""The named stretches of a source text: functions and classes, and the excerpt around some lines.

Python is read with `ast`; other languages by the parser that `read_with` was given; what neither knows, and Python
that does not parse, by its indentation, which well-kept code of every brace language has too.
"""

import ast
import re
import warnings
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache

from gitagent.core.texts import lines_of
from gitagent.errors import RequestError
from gitagent.records import Span

# Nobody counts a text that has more than so many characters for each token there is room for.
LONGEST_TOKEN = 32
_NAME = re.compile(
    r"\b(?:def|class|function|func|fn|struct|enum|trait|impl|interface|module|type)\s+(?:\([^)]*\)\s*)?([\w$.:]+)"
    r"|^\s*(?:export\s+)?(?:const|let|var)\s+([\w$]+)\s*=.*(?:=>|\bfunction\b)"
    r"|([\w$~]+)\s*\([^;]*\)?\s*(?:const\s*)?(?:throws [\w., ]+)?(?:->\s*[^{]+)?\{?\s*$"
)
_NO_NAMES = frozenset(
    re.findall(r"\w+", "if for while switch catch else elif with try return match do unless until case when using")
)
_CLOSER = re.compile(r"\s*(?:[)}\]]|end\b|\*/|<)")


Parser = Callable[[str, str], tuple[Span, ...] | None]
"""A path and its text to the named stretches in it, None for a language it does not know."""

_parsers: list[tuple[Parser, Parser]] = []


def read_with(parser: Parser, fields_by: Parser = lambda path, text: ()) -> None:
    """From now on other languages than Python are read by this, and the fields of their classes; said once, by
    whoever builds the adapters."""
    if (parser, fields_by) not in _parsers:
        _parsers[:] = [(parser, fields_by)]
        outline.cache_clear()
        fields.cache_clear()


@lru_cache(maxsize=32)
def outline(path: str, text: str) -> tuple[Span, ...]:
    """The functions and classes of a text in the order they begin, an outer one before those inside it.

    Names are dotted (`Basket.total`); a Python span begins with its first decorator.
    """
    if path.endswith((".py", ".pyi")):
        tree = _parsed(text)
        if tree is not None:
            return tuple(_python_spans(path, tree))
    elif _parsers and (spans := _parsers[0][0](path, text)):
        return spans
    return tuple(_indented_spans(path, lines_of(text)))


@lru_cache(maxsize=8)
def fields(path: str, text: str) -> tuple[Span, ...]:
    """The fields that classes and structures declare, by their own names; () where no parser tells."""
    return (_parsers[0][1](path, text) if _parsers else None) or ()


def enclosing(spans: Iterable[Span], line: int) -> tuple[Span, ...]:
    """The spans that hold a line, innermost first."""
    holding = [span for span in spans if span.first_line <= line <= span.last_line]
    return tuple(sorted(holding, key=lambda span: (span.last_line - span.first_line, -span.first_line)))


def named(spans: Iterable[Span], name: str) -> Span | None:
    """The span with this name: the whole dotted name, else the one whose last part it is, if only one is."""
    spans = tuple(spans)
    wanted = re.sub(r"[:#]+", ".", name.strip().removesuffix("()"))
    exact = [span for span in spans if span.name == wanted]
    if exact:
        return exact[0]
    last = [span for span in spans if span.name.split(".")[-1] == wanted.split(".")[-1]]
    return last[0] if len(last) == 1 else None


def segment(
    path: str,
    text: str,
    *,
    lines: Sequence[int],
    count: Callable[[str], int],
    room: int,
    enough: int | None = None,
) -> tuple[int, str]:
    """The excerpt to ask about, and its first line, for the wanted lines (1-based, most wanted first).

    The whole file where it fits `enough` tokens. Else the innermost function or class around all wanted lines
    that fits `room`, grown to the class around it while that fits `enough` too. Wanted lines that
    lie too far apart are given up from the back of the list. A function too long by itself is cut to the longest
    run of whole lines around the most wanted one. Raises RequestError if that line alone does not fit.
    """
    enough = room if enough is None else min(enough, room)
    if not text:
        return 1, ""
    if len(text) <= LONGEST_TOKEN * enough and count(text) <= enough:
        return 1, text
    own = lines_of(text)
    wanted = [min(max(line, 1), len(own)) for line in lines] or [1]
    spans = outline(path, text)
    for keep in range(len(wanted), 0, -1):
        low, high = min(wanted[:keep]), max(wanted[:keep])
        around = [(span.first_line, span.last_line) for span in enclosing(spans, low) if span.last_line >= high]
        if not around and keep == 1:
            around = [_paragraph(own, spans, low)]
        best: tuple[int, str] | None = None
        for first, last in around:
            excerpt = "".join(own[first - 1 : last])
            most = room if best is None else enough
            if len(excerpt) > LONGEST_TOKEN * most or count(excerpt) > most:
                break
            best = (first, excerpt)
        if best is not None:
            return best
        if keep == 1:
            first, last = around[0]
            return _longest(path, own, wanted[0], (first, last), count, room)
    raise AssertionError("a wanted line is always left")


def _longest(
    path: str, own: list[str], line: int, within: tuple[int, int], count: Callable[[str], int], room: int
) -> tuple[int, str]:
    """The longest run of lines centred on one line, inside a stretch, that fits; found by bisection."""

    def around(reach: int) -> tuple[int, str]:
        first, last = max(line - reach, within[0]), min(line + reach, within[1])
        return first, "".join(own[first - 1 : last])

    low, high = 0, max(line - within[0], within[1] - line)
    if (alone := count(around(0)[1])) > room:
        raise RequestError(
            f"{path}:{line}: this line alone takes {alone} tokens, and {room} are left for it. Nothing was sent.",
            hint="ask with a larger window",
        )
    while low < high:
        middle = (low + high + 1) // 2
        if count(around(middle)[1]) <= room:
            low = middle
        else:
            high = middle - 1
    return around(low)


def _paragraph(own: list[str], spans: Sequence[Span], line: int) -> tuple[int, int]:
    """The lines around one outside every span: from the span before it to the span after it."""
    before = max((span.last_line for span in spans if span.last_line < line), default=0)
    after = min((span.first_line for span in spans if span.first_line > line), default=len(own) + 1)
    return before + 1, after - 1


def _parsed(text: str) -> ast.Module | None:
    # `ast` also ends lines at a lone \r; then its line numbers are not ours.
    if text.count("\r") != text.count("\r\n"):
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _python_spans(path: str, tree: ast.Module) -> list[Span]:
    spans: list[Span] = []
    waiting: list[tuple[ast.AST, str]] = [(tree, "")]
    while waiting:
        node, prefix = waiting.pop()
        for child in ast.iter_child_nodes(node):
            if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                first = min([child.lineno, *(item.lineno for item in child.decorator_list)])
                name = f"{prefix}{child.name}"
                spans.append(Span(path=path, name=name, first_line=first, last_line=child.end_lineno or first))
                waiting.append((child, f"{name}."))
            elif isinstance(child, (ast.stmt, ast.excepthandler, ast.match_case)):
                waiting.append((child, prefix))
    return sorted(spans, key=lambda span: (span.first_line, -span.last_line))


def _indented_spans(path: str, own: Sequence[str]) -> list[Span]:
    """Headers with deeper lines under them. A stack of open headers keeps it linear in the lines."""
    spans: list[Span] = []
    open_: list[tuple[int, int, str]] = []  # indent, first line, name ("" for an if or a loop)
    last = 0

    def close(down_to: int, line: int, closed_here: bool) -> None:
        while open_ and open_[-1][0] >= down_to:
            indent, first, name = open_.pop()
            end = line if closed_here and indent == down_to else last
            if name and end > first:
                dotted = ".".join([*(outer for _, _, outer in open_ if outer), name])
                spans.append(Span(path=path, name=dotted, first_line=first, last_line=end))

    for number, line in enumerate(own, 1):
        bare = line.strip()
        if not bare:
            continue
        indent = len(line.expandtabs(4)) - len(line.expandtabs(4).lstrip())
        closer = bool(_CLOSER.match(line))
        if closer and bare.endswith("{") and open_ and open_[-1][0] >= indent:
            last = number  # `} else {` goes on with the block it closes
            continue
        if bare == "{" and open_ and open_[-1][0] == indent:
            last = number  # a brace on its own line belongs to the header above it
            continue
        close(indent, number, closer)
        last = number
        if not closer:
            open_.append((indent, number, _name_of(line)))
    close(0, len(own), False)
    return sorted(spans, key=lambda span: (span.first_line, -span.last_line))


def _name_of(line: str) -> str:
    match = _NAME.search(line[:400])
    name = next((group for group in match.groups() if group), "") if match else ""
    return "" if name in _NO_NAMES else name.strip(".:")


def signatures(path: str, text: str, first_line: int, excerpt: str) -> tuple[str, ...]:
    """The headers of what an excerpt calls, or stands inside of, in the rest of its own file, in file order."""
    own, last_line = lines_of(text), first_line + len(lines_of(excerpt)) - 1
    called = called_in(excerpt)
    spans = outline(path, text)
    return tuple(
        header(own, span)
        for span in spans
        if span.first_line < first_line or span.first_line > last_line
        if span.name.split(".")[-1] in called or span.first_line < first_line <= last_line <= span.last_line
    )


def called_in(excerpt: str) -> frozenset[str]:
    """The names an excerpt calls; those it defines itself are among them."""
    return frozenset(re.findall(r"([A-Za-z_]\w*)\s*\(", excerpt))


def header(own: Sequence[str], span: Span) -> str:
    """A span's own words without its body: at most six lines, `...` where there are more."""
    out: list[str] = []
    for line in own[span.first_line - 1 : min(span.last_line, span.first_line + 40)]:
        if not out and line.lstrip().startswith("@"):
            continue
        out.append(line.rstrip())
        if re.search(r"[:{;]\s*(?:#.*|//.*)?$", line) or re.match(
            r"\s*(?:module|class|def)\b[^(]*(?:\(.*\).*)?$", line
        ):
            break
        if len(out) == 6:
            return "\n".join([*out, "..."])
    return "\n".join(out)


def imported_from(path: str, text: str, names: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Where names imported by `from … import …` may be defined: paths to try, keyed by name. Python only."""
    wanted, found = frozenset(names), dict[str, tuple[str, ...]]()
    if not path.endswith((".py", ".pyi")):
        return found
    for match in re.finditer(
        r"^[ \t]*from[ \t]+(\.*)([\w.]*)[ \t]+import[ \t]+(\([^)]*\)|[^\n]*)", text, re.MULTILINE
    ):
        dots, module, imports = match.groups()
        parts = [part for part in module.split(".") if part]
        package = path.split("/")[:-1]
        if dots:
            roots = [package[: len(package) - len(dots) + 1]] if len(dots) - 1 <= len(package) else []
        else:
            roots = [package[:depth] for depth in range(len(package) + 1)]
        paths = [
            "/".join([*root, *parts]) + ending
            for root in roots
            for ending in (".py", "/__init__.py")
            if root or parts
        ]
        for name in re.findall(r"[A-Za-z_]\w*", re.sub(r"\bas\s+\w+|#[^\n]*", "", imports)):
            if name in wanted:
                found.setdefault(name, tuple(paths))
    return found
