"""A Python source text with what the repair patterns ask of it: nodes, spans, names, and safe edits."""

import ast
import builtins
import re
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import cached_property, lru_cache

from gitagent.core.naturalness import Naturalness
from gitagent.core.templates.uses import Uses

Function = ast.FunctionDef | ast.AsyncFunctionDef
Place = ast.stmt | ast.excepthandler

_ATOMS = (
    *(ast.Name, ast.Attribute, ast.Subscript, ast.Call),
    *(ast.List, ast.Dict, ast.Set, ast.ListComp, ast.DictComp, ast.SetComp),
)
_COMMENT = re.compile(r"#[^\n]*")


@dataclass(frozen=True, slots=True)
class Edit:
    """Characters `start` to `end` become `new`; `weight`, 0 to 1, says how natural that looks."""

    start: int
    end: int
    new: str
    weight: float = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class Site:
    """One statement (or except clause) with the expressions that are its own, not those of its body.

    `first_line` and `last_line` bound the statement's own lines: of a compound statement, its head.
    `block` is the list of statements it stands in.
    """

    node: Place
    nodes: tuple[ast.AST, ...]
    function: Function | None
    owner: ast.ClassDef | None
    in_loop: bool
    block: list[ast.stmt]
    first_line: int
    last_line: int


def parse(text: str) -> ast.Module:
    """The text's tree, silently. Raises SyntaxError or ValueError if it is no Python."""
    with warnings.catch_warnings():  # odd escapes in a string are not our reader's business
        warnings.simplefilter("ignore")
        return ast.parse(text)


@lru_cache(maxsize=65536)
def alike(one: str, other: str) -> float:
    """How alike two names look, 0 to 1."""
    return SequenceMatcher(None, one.lower(), other.lower()).ratio()


def walked_names(node: ast.AST) -> set[str]:
    """The plain names a piece of code mentions."""
    return {inner.id for inner in ast.walk(node) if isinstance(inner, ast.Name)}


class Source:
    """A parsed text. Raises SyntaxError or ValueError if it is no Python, or ends lines with a lone `\\r`."""

    def __init__(self, text: str) -> None:
        if re.search(r"\r(?!\n)", text):
            raise ValueError("a lone carriage return would shift the lines")
        self.text = text
        self.tree = parse(text)
        self.newline = "\r\n" if "\r\n" in text else "\n"
        self._lines = text.split("\n")
        self._starts = [0]
        for line in self._lines:
            self._starts.append(self._starts[-1] + len(line) + 1)
        self.parents: dict[ast.AST, ast.AST] = {}
        self.all_nodes: list[ast.AST] = []
        queue: list[ast.AST] = [self.tree]
        for node in queue:
            self.all_nodes.append(node)
            for child in ast.iter_child_nodes(node):
                self.parents[child] = node
                queue.append(child)
        self._uses: dict[ast.AST | None, Uses] = {}
        self._scopes: dict[ast.AST | None, dict[str, float]] = {}
        self._own_attributes: dict[ast.ClassDef | None, Counter[str]] = {}
        self._insides: dict[ast.AST, list[ast.AST]] = {}
        self.conditions: dict[ast.AST, list[tuple[str, frozenset[str]]]] = {}
        self._names: dict[ast.AST, tuple[tuple[str, ...], frozenset[str]]] = {}
        self._stands_alone: dict[tuple[int, int], bool] = {}
        # By an attribute that some object turned out not to have: those that objects of its type do have.
        self.lacking: dict[str, list[str]] = {}

    def told(self, message: str) -> None:
        """Learn from a failure which attribute what type lacks, as far as the type is a plain one or of this file."""
        for kind, lacking in re.findall(r"'(\w{1,60})' object has no attribute '(\w{1,60})'", message):
            self.lacking[lacking] = self._available(kind)

    def _available(self, kind: str) -> list[str]:
        plain = getattr(builtins, kind, None)
        if isinstance(plain, type):
            return [name for name in dir(plain) if not name.startswith("_")]
        for node in self.all_nodes:
            if isinstance(node, ast.ClassDef) and node.name == kind:
                own = set(self.own_attributes(node))
                return sorted(own | {one.name for one in node.body if isinstance(one, Function)})
        return []

    def inside(self, node: ast.AST) -> list[ast.AST]:
        """The node and everything in it, walked once."""
        if node not in self._insides:
            self._insides[node] = list(ast.walk(node))
        return self._insides[node]

    # Places in the text

    def offset(self, line: int, column: int) -> int:
        """The character at a line (from 1) and a column in UTF-8 bytes, as `ast` counts."""
        found = self._lines[line - 1]
        if not found.isascii():
            column = len(found.encode("utf-8")[:column].decode("utf-8"))
        return int(self._starts[line - 1] + column)

    def line_start(self, line: int) -> int:
        """Where a line begins; past the last line, the text's end."""
        return min(self._starts[min(max(line, 1), len(self._starts)) - 1], len(self.text))

    def span(self, node: ast.AST) -> tuple[int, int]:
        """Where a node stands: start and end characters."""
        return (
            self.offset(node.lineno, node.col_offset),  # type: ignore[attr-defined]
            self.offset(node.end_lineno, node.end_col_offset),  # type: ignore[attr-defined]
        )

    def segment(self, node: ast.AST) -> str:
        """A node's exact text."""
        start, end = self.span(node)
        return self.text[start:end]

    def grouped(self, node: ast.AST) -> str:
        """A node's text, in parentheses where it could fall apart beside an operator."""
        text = self.segment(node)
        plain = isinstance(node, _ATOMS) or (isinstance(node, ast.Constant) and "\n" not in text)
        return (
            text
            if plain or (text.startswith("(") and isinstance(node, (ast.Tuple, ast.GeneratorExp)))
            else f"({text})"
        )

    def names(self, node: ast.AST) -> tuple[tuple[str, ...], frozenset[str]]:
        """The plain names a piece of code mentions, each once, and those of them it reads."""
        if node not in self._names:
            names = [inner for inner in ast.walk(node) if isinstance(inner, ast.Name)]
            loads = frozenset(name.id for name in names if isinstance(name.ctx, ast.Load))
            self._names[node] = tuple(dict.fromkeys(name.id for name in names)), loads
        return self._names[node]

    def one_line(self, node: ast.AST) -> str | None:
        """A node's text if it stands on one line and is short enough to be borrowed."""
        text = self.segment(node)
        return text if "\n" not in text and len(text) <= 80 else None

    def between(self, left: ast.AST, right: ast.AST, token: str) -> tuple[int, int] | None:
        """Where `token` (a regular expression) stands between two nodes, comments left out."""
        start, end = self.span(left)[1], self.span(right)[0]
        gap = _COMMENT.sub(lambda comment: " " * len(comment[0]), self.text[start:end])
        found = re.search(token, gap)
        return (start + found.start(), start + found.end()) if found else None

    def in_fstring(self, node: ast.AST) -> bool:
        """Whether a node stands inside an f-string, where places cannot be trusted before 3.12."""
        around: ast.AST | None = node
        while isinstance(around, (ast.expr, ast.keyword, ast.comprehension)):
            if isinstance(around, ast.JoinedStr):
                return True
            around = self.parents.get(around)
        return False

    # Edits

    def replace(self, node: ast.AST, new: str, weight: float = 1.0) -> Edit:
        """Put `new` where the node stands."""
        start, end = self.span(node)
        return Edit(start, end, new, weight)

    def indent(self, node: Place) -> str | None:
        """The white space a statement stands behind; None if something else is before it on its line."""
        line = self._lines[node.lineno - 1]
        before = self.text[self._starts[node.lineno - 1] : self.offset(node.lineno, node.col_offset)]
        return None if before.strip() or line.lstrip().startswith("elif") else before

    @cached_property
    def step(self) -> str:
        """What one level of indentation is in this file."""
        for node in self.all_nodes:
            block = getattr(node, "body", None)
            if isinstance(node, ast.stmt) and isinstance(block, list):
                outer, inner = self.indent(node), self.indent(block[0])
                if outer is not None and inner and inner.startswith(outer) and inner != outer:
                    return inner[len(outer) :]
        return "    "

    def first_line(self, node: Place) -> int:
        """A statement's first line, decorators included."""
        decorators: list[ast.expr] = getattr(node, "decorator_list", [])
        return min([node.lineno, *(decorator.lineno for decorator in decorators)])

    def before(self, node: Place, lines: list[str], weight: float = 1.0) -> Iterator[Edit]:
        """Put whole lines, indented like the statement, before it."""
        indent = self.indent(node)
        if indent is not None:
            at = self.line_start(self.first_line(node))
            yield Edit(at, at, "".join(indent + line + self.newline for line in lines), weight)

    def after(self, node: Place, lines: list[str], weight: float = 1.0) -> Iterator[Edit]:
        """Put whole lines, indented like the statement, after it."""
        indent = self.indent(node)
        end = self.span(node)[1]
        if indent is not None and self.owns_its_lines(node):
            stop = self.text.find("\n", end)
            at = len(self.text) if stop < 0 else stop + 1
            lead = self.newline if stop < 0 else ""
            yield Edit(at, at, lead + "".join(indent + line + self.newline for line in lines), weight)

    def owns_its_lines(self, node: Place) -> bool:
        """Whether nothing but white space and a comment shares the statement's lines."""
        rest = self.text[self.span(node)[1] : self.line_start((node.end_lineno or 0) + 1)].strip()
        return self.indent(node) is not None and (not rest or rest.startswith("#"))

    def lines_span(self, node: Place) -> tuple[int, int]:
        """The statement's whole lines, from the first character to the last line's end."""
        return self.line_start(self.first_line(node)), self.line_start((node.end_lineno or 0) + 1)

    # Names

    def scope(self, site: Site) -> dict[str, float]:
        """Names a statement may use, with how near they are: parameters and locals, closures, the module."""
        key = site.function
        if key not in self._scopes:
            names: dict[str, float] = {}
            for node in self.tree.body:
                for name in _bound(node):
                    names[name] = 0.3
            around: ast.AST | None = site.function
            nearness = 1.0
            while around is not None:
                if isinstance(around, (ast.FunctionDef, ast.AsyncFunctionDef)):
                    for name in _locals(around):
                        names[name] = max(nearness, names.get(name, 0.0))
                    nearness = 0.5
                around = self.parents.get(around)
            self._scopes[key] = names
        return self._scopes[key]

    def uses(self, site: Site) -> Uses:
        """How the names of a statement's function (or module) are used there."""
        if site.function not in self._uses:
            self._uses[site.function] = Uses(site.function or self.tree)
        return self._uses[site.function]

    def near(self, site: Site) -> list[str]:
        """The parameters and locals of the statement's function, in the order they are bound."""
        return [name for name, nearness in self.scope(site).items() if nearness >= 1.0]

    @cached_property
    def attributes(self) -> Counter[str]:
        """Attribute names used in the file, with how often."""
        return Counter(node.attr for node in self.all_nodes if isinstance(node, ast.Attribute))

    def own_attributes(self, owner: ast.ClassDef | None) -> Counter[str]:
        """Attributes used on `self` in a class, with how often."""
        if owner not in self._own_attributes:
            self._own_attributes[owner] = Counter(
                node.attr
                for node in (ast.walk(owner) if owner is not None else ())
                if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "self"
            )
        return self._own_attributes[owner]

    @cached_property
    def calls(self) -> list[ast.Call]:
        """Every call in the file."""
        return [node for node in self.all_nodes if isinstance(node, ast.Call)]

    @cached_property
    def natural(self) -> Naturalness:
        """What is usual in this file."""
        return Naturalness([self.text])

    @cached_property
    def functions(self) -> dict[str, list[Function]]:
        """The functions and methods defined in the file, by name."""
        found: dict[str, list[Function]] = {}
        for node in self.all_nodes:
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                found.setdefault(node.name, []).append(node)
        return found

    @cached_property
    def strings(self) -> Counter[str]:
        """The string constants of the file, docstrings left out, as they are written."""
        return Counter(
            self.segment(node)
            for node in self.all_nodes
            if isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and not isinstance(self.parents[node], (ast.Expr, ast.JoinedStr, ast.FormattedValue))
            and len(node.value) <= 40
        )

    @cached_property
    def imported(self) -> frozenset[str]:
        """Names that the file's imports bind."""
        return frozenset(
            (alias.asname or alias.name).split(".")[0]
            for node in self.all_nodes
            if isinstance(node, (ast.Import, ast.ImportFrom))
            for alias in node.names
        )

    # Statements

    def sites(self, first: int, last: int) -> list[Site]:
        """The statements whose own lines meet the lines `first` to `last`, in order."""
        found: list[Site] = []
        self._gather(self.tree.body, None, None, False, first, last, found)
        return found

    def _gather(
        self,
        block: list[ast.stmt],
        function: Function | None,
        owner: ast.ClassDef | None,
        in_loop: bool,
        first: int,
        last: int,
        found: list[Site],
    ) -> None:
        for node in block:
            start, end = self.first_line(node), node.end_lineno or node.lineno
            if end < first or start > last:
                continue
            self._site(node, block, function, owner, in_loop, first, last, found)
            inner = (function, owner, in_loop)
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                inner = (node, owner, False)
            elif isinstance(node, ast.ClassDef):
                inner = (function, node, False)
            elif isinstance(node, (ast.For, ast.AsyncFor, ast.While)):
                inner = (function, owner, True)
            for name in ("body", "orelse", "finalbody"):
                # The `else` of a loop is no part of it.
                within = (*inner[:2], in_loop) if name == "orelse" else inner
                self._gather(getattr(node, name, []), *within, first, last, found)
            for handler in getattr(node, "handlers", ()):
                self._site(handler, block, *inner, first, last, found)
                self._gather(handler.body, *inner, first, last, found)
            for case in getattr(node, "cases", ()):
                self._gather(case.body, *inner, first, last, found)

    def _site(
        self,
        node: Place,
        block: list[ast.stmt],
        function: Function | None,
        owner: ast.ClassDef | None,
        in_loop: bool,
        first: int,
        last: int,
        found: list[Site],
    ) -> None:
        start, end = self.first_line(node), node.end_lineno or node.lineno
        body = getattr(node, "body", None)
        if body:
            end = max(start, node.lineno, self.first_line(body[0]) - 1)
        if start < first or end > last:  # a half of a statement is nobody's to change
            return
        found.append(Site(node, tuple(_own(node)), function, owner, in_loop, block, start, end))

    # Checks

    def holds(self, edit: Edit, site: Site) -> bool:
        """Whether the text still parses after an edit, told from as little of it as will do."""
        for start, end in self._around(site):
            if start <= edit.start and edit.end <= end and (edit.start, edit.end) != (start, end):
                if (start, end) not in self._stands_alone:
                    self._stands_alone[start, end] = _parses(self.text[start:end])
                if self._stands_alone[start, end]:
                    return _parses(self.text[start : edit.start] + edit.new + self.text[edit.end : end])
        return _parses(self.text[: edit.start] + edit.new + self.text[edit.end :])

    def _around(self, site: Site) -> Iterator[tuple[int, int]]:
        if not hasattr(site.node, "body"):
            yield self.lines_span(site.node)
        around: ast.AST | None = site.node
        while around is not None:
            if isinstance(around, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                yield self.lines_span(around)
            around = self.parents.get(around)


def _parses(unit: str) -> bool:
    head = "if 1:\n" if unit[:1] in {" ", "\t"} else ""
    try:
        parse(head + unit)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True


def _own(node: ast.AST) -> Iterator[ast.AST]:
    """The nodes of a statement that are neither its body's, nor annotations, nor inside f-strings."""
    for name, value in ast.iter_fields(node):
        if name in {"annotation", "returns", "ctx", "op", "ops", "type_params"}:
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST) and not isinstance(child, (ast.stmt, ast.excepthandler, ast.match_case)):
                yield child
                if not isinstance(child, ast.JoinedStr):  # before 3.12 the places inside are wrong
                    yield from _own(child)


def _bound(node: ast.AST) -> Iterator[str]:
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        yield node.name
    elif isinstance(node, (ast.Import, ast.ImportFrom)):
        yield from ((alias.asname or alias.name).split(".")[0] for alias in node.names if alias.name != "*")
    else:
        yield from (n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store))


def _locals(function: Function) -> Iterator[str]:
    arguments = function.args
    for argument in [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]:
        yield argument.arg
    for extra in (arguments.vararg, arguments.kwarg):
        if extra:
            yield extra.arg
    for node in function.body:
        for inner in ast.walk(node):
            if isinstance(inner, ast.Name) and isinstance(inner.ctx, ast.Store):
                yield inner.id
            elif isinstance(inner, ast.ExceptHandler) and inner.name:
                yield inner.name
