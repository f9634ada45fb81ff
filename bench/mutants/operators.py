"""Mutation operators: small mistakes put into right code.

They share no code with the repair patterns of `gitagent.core.templates`: a benchmark that is made by what it
measures would measure nothing. Each is a class with a `name`, and `of` gives its mutations at one node.
"""

import ast
import hashlib
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import ClassVar

Replacement = tuple[ast.AST, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutation:
    """Characters `start` to `end` of a text become `new`."""

    operator: str
    start: int
    end: int
    new: str
    line: int

    def applied(self, text: str) -> str:
        """The wrong text."""
        return text[: self.start] + self.new + text[self.end :]

    def digest(self, text: str) -> str:
        """Names the wrong text for good."""
        return hashlib.sha256(self.applied(text).encode()).hexdigest()[:16]


class Module:
    """A parsed text: parents, names by function, and the text of nodes."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tree = ast.parse(text)
        self._starts = list(itertools.accumulate((len(line) for line in text.splitlines(True)), initial=0))
        self._lines = text.splitlines(True)
        self.nodes = list(ast.walk(self.tree))
        self.parent = {child: node for node in self.nodes for child in ast.iter_child_nodes(node)}
        self.calls = [node for node in self.nodes if isinstance(node, ast.Call)]
        self.own = sorted(
            {node.attr for node in self.nodes if isinstance(node, ast.Attribute) and self.is_self(node.value)}
        )

    @staticmethod
    def is_self(node: ast.AST) -> bool:
        return isinstance(node, ast.Name) and node.id == "self"

    def at(self, line: int, column: int) -> int:
        return self._starts[line - 1] + len(self._lines[line - 1].encode()[:column].decode())

    def span(self, node: ast.AST) -> tuple[int, int]:
        return self.at(node.lineno, node.col_offset), self.at(node.end_lineno, node.end_col_offset)  # type: ignore[attr-defined]

    def code(self, node: ast.AST) -> str:
        start, end = self.span(node)
        return self.text[start:end]

    def function(self, node: ast.AST) -> ast.AST | None:
        around: ast.AST | None = node
        while around is not None and not isinstance(around, (ast.FunctionDef, ast.AsyncFunctionDef)):
            around = self.parent.get(around)
        return around

    def locals_at(self, node: ast.AST) -> list[str]:
        function = self.function(node)
        if function is None:
            return []
        bound = [n.arg for n in ast.walk(function) if isinstance(n, ast.arg)]
        bound += [n.id for n in ast.walk(function) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)]
        return [name for name in dict.fromkeys(bound) if name not in ("self", "cls")]


class Operator:
    """One kind of mistake."""

    name: ClassVar[str]

    def of(self, module: Module, node: ast.AST) -> Iterator[Replacement]:
        """Nodes with the text that takes their place."""
        raise NotImplementedError


def _unparsed(node: ast.AST, **changes: object) -> str:
    fields = {name: changes.get(name, value) for name, value in ast.iter_fields(node)}
    return ast.unparse(ast.fix_missing_locations(type(node)(**fields)))


class Swap(Operator):
    """Operators give way to others, by a table of node types."""

    table: ClassVar[dict[type[ast.AST], type[ast.AST]]]
    kinds: ClassVar[tuple[type[ast.AST], ...]]

    def of(self, module: Module, node: ast.AST) -> Iterator[Replacement]:
        if not isinstance(node, self.kinds):
            return
        if isinstance(node, ast.Compare):
            for place, op in enumerate(node.ops):
                if type(op) in self.table:
                    ops = [*node.ops[:place], self.table[type(op)](), *node.ops[place + 1 :]]
                    yield node, f"({_unparsed(node, ops=ops)})"
        elif type(node.op) in self.table and not isinstance(
            getattr(node, "left", None), (ast.Constant, ast.JoinedStr)
        ):  # type: ignore[attr-defined]
            new = _unparsed(node, op=self.table[type(node.op)]())  # type: ignore[attr-defined]
            yield node, new if isinstance(node, ast.stmt) else f"({new})"


class Boundary(Swap):
    name = "comparison boundary"
    kinds = (ast.Compare,)
    table: ClassVar[dict[type[ast.AST], type[ast.AST]]] = {
        ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt,
    }  # fmt: skip


class Comparison(Swap):
    name = "comparison reversed"
    kinds = (ast.Compare,)
    table: ClassVar[dict[type[ast.AST], type[ast.AST]]] = {
        ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn,
        ast.NotIn: ast.In, ast.Lt: ast.Gt, ast.Gt: ast.Lt,
    }  # fmt: skip


class Arithmetic(Swap):
    name = "arithmetic"
    kinds = (ast.BinOp, ast.AugAssign)
    table: ClassVar[dict[type[ast.AST], type[ast.AST]]] = {
        ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.FloorDiv, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult,
        ast.Mod: ast.Mult, ast.BitOr: ast.BitAnd, ast.BitAnd: ast.BitOr,
    }  # fmt: skip


class Connective(Swap):
    name = "and, or"
    kinds = (ast.BoolOp,)
    table: ClassVar[dict[type[ast.AST], type[ast.AST]]] = {ast.And: ast.Or, ast.Or: ast.And}


class Negated(Operator):
    name = "condition negated"

    def of(self, module: Module, node: ast.AST) -> Iterator[Replacement]:
        if isinstance(node, (ast.If, ast.While, ast.IfExp)):
            yield node.test, f"not ({module.code(node.test)})"


class Unary(Operator):
    name = "unary dropped"

    def of(self, module: Module, node: ast.AST) -> Iterator[Replacement]:
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.Not, ast.USub)):
            yield (
                node,
                f"({module.code(node.operand)})" if isinstance(node.op, ast.Not) else module.code(node.operand),
            )


class Conjunct(Operator):
    name = "condition missing"

    def of(self, module: Module, node: ast.AST) -> Iterator[Replacement]:
        if isinstance(node, ast.BoolOp):
            for gone in node.values:
                left = [value for value in node.values if value is not gone]
                yield node, module.code(left[0]) if len(left) == 1 else f"({_unparsed(node, values=left)})"


class Number(Operator):
    name = "number"

    def of(self, module: Module, node: ast.AST) -> Iterator[Replacement]:
        if isinstance(node, ast.Constant) and type(node.value) in (int, float):
            for other in (node.value + 1, node.value - 1):
                if other >= 0:
                    yield node, repr(other)


class Flag(Operator):
    name = "True, False, None"

    def of(self, module: Module, node: ast.AST) -> Iterator[Replacement]:
        if isinstance(node, ast.Constant) and node.value in (True, False, None) and type(node.value) is not int:
            yield node, {True: "False", False: "True", None: "False"}[node.value]


class String(Operator):
    name = "string"

    def of(self, module: Module, node: ast.AST) -> Iterator[Replacement]:
        if not isinstance(node, ast.Constant) or isinstance(module.parent[node], (ast.Expr, ast.JoinedStr)):
            return
        if isinstance(node.value, str) and 0 < len(node.value) < 30:
            yield node, repr(node.value[:-1])
            yield node, repr(node.value.swapcase()) if node.value.swapcase() != node.value else "''"


class ArgumentGone(Operator):
    name = "argument dropped"

    def of(self, module: Module, node: ast.AST) -> Iterator[Replacement]:
        if isinstance(node, ast.Call):
            for gone in range(1, len(node.args)):
                yield node, _unparsed(node, args=[a for n, a in enumerate(node.args) if n != gone])
            for keyword in node.keywords:
                yield node, _unparsed(node, keywords=[other for other in node.keywords if other is not keyword])


class ArgumentSwap(Operator):
    name = "arguments swapped"

    def of(self, module: Module, node: ast.AST) -> Iterator[Replacement]:
        if isinstance(node, ast.Call):
            for place in range(len(node.args) - 1):
                args = list(node.args)
                args[place], args[place + 1] = args[place + 1], args[place]
                if not any(isinstance(argument, ast.Starred) for argument in args):
                    yield node, _unparsed(node, args=args)


class Deleted(Operator):
    name = "statement deleted"

    def of(self, module: Module, node: ast.AST) -> Iterator[Replacement]:
        if isinstance(node, (ast.Assign, ast.AugAssign, ast.Expr, ast.Raise, ast.Return)):
            idle = isinstance(getattr(node, "value", None), (ast.Constant, ast.Yield))
            yield from [] if idle or module.function(node) is None else [(node, "pass")]


class CheckGone(Operator):
    name = "None check missing"

    def of(self, module: Module, node: ast.AST) -> Iterator[Replacement]:
        if isinstance(node, ast.If) and not node.orelse and len(node.body) == 1:
            none = any(isinstance(n, ast.Constant) and n.value is None for n in ast.walk(node.test))
            if none or isinstance(node.test, ast.UnaryOp):
                yield node, "pass"


class Result(Operator):
    name = "return value"

    def of(self, module: Module, node: ast.AST) -> Iterator[Replacement]:
        if isinstance(node, ast.Return) and node.value is not None and module.code(node.value) != "None":
            yield node.value, "None"


class Bound(Operator):
    name = "slice or range"

    def of(self, module: Module, node: ast.AST) -> Iterator[Replacement]:
        parts: list[ast.expr | None] = []
        if isinstance(node, ast.Slice):
            parts = [node.lower, node.upper]
        elif (
            isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("range", "islice")
        ):
            parts = list(node.args[-1:])
        elif isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Name):
            parts = [node.slice]
        for part in parts:
            if part is not None and not isinstance(part, ast.Starred):
                yield part, f"({module.code(part)}) + 1"


class Variable(Operator):
    name = "wrong variable"

    def of(self, module: Module, node: ast.AST) -> Iterator[Replacement]:
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            known = module.locals_at(node)
            if node.id in known and not isinstance(module.parent[node], ast.Attribute):
                yield from ((node, other) for other in known if other != node.id)


class Attribute(Operator):
    name = "wrong attribute"

    def of(self, module: Module, node: ast.AST) -> Iterator[Replacement]:
        owner = node.value if isinstance(node, ast.Attribute) else None
        if not isinstance(owner, ast.Name) or owner.id != "self" or isinstance(module.parent[node], ast.Call):
            return
        if isinstance(node.ctx, ast.Load):  # type: ignore[attr-defined]
            yield from ((node, f"self.{other}") for other in module.own if other != node.attr)  # type: ignore[attr-defined]


class Method(Operator):
    name = "wrong method"

    def of(self, module: Module, node: ast.AST) -> Iterator[Replacement]:
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            others = {
                call.func.attr
                for call in module.calls
                if isinstance(call.func, ast.Attribute)
                if len(call.args) == len(node.args)
            }
            for other in sorted(others - {node.func.attr}):
                yield node.func, _unparsed(node.func, attr=other)


class Caught(Operator):
    name = "exception type"

    def of(self, module: Module, node: ast.AST) -> Iterator[Replacement]:
        kind: ast.AST | None = None
        if isinstance(node, ast.ExceptHandler):
            kind = node.type.elts[0] if isinstance(node.type, ast.Tuple) else node.type
        elif isinstance(node, ast.Raise):
            kind = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
        if isinstance(kind, ast.Name) and kind.id[0].isupper():
            yield kind, "RuntimeError" if kind.id != "RuntimeError" else "KeyError"


class Default(Operator):
    name = "default value"

    def of(self, module: Module, node: ast.AST) -> Iterator[Replacement]:
        if isinstance(node, ast.arguments):
            for value in [*node.defaults, *node.kw_defaults]:
                if isinstance(value, ast.Constant):
                    yield (
                        value,
                        {True: "False", False: "True"}.get(value.value, "1" if value.value is None else "None"),
                    )


class Accumulated(Operator):
    name = "update overwritten"

    def of(self, module: Module, node: ast.AST) -> Iterator[Replacement]:
        if isinstance(node, ast.AugAssign):
            yield node, f"{module.code(node.target)} = {module.code(node.value)}"


class Jump(Operator):
    name = "break, continue"

    def of(self, module: Module, node: ast.AST) -> Iterator[Replacement]:
        if isinstance(node, (ast.Break, ast.Continue)):
            yield node, "continue" if isinstance(node, ast.Break) else "break"


OPERATORS: tuple[Operator, ...] = tuple(
    kind()
    for kind in (
        *(
            Boundary,
            Comparison,
            Arithmetic,
            Connective,
            Negated,
            Unary,
            Conjunct,
            Number,
            Flag,
            String,
            ArgumentGone,
        ),
        *(
            ArgumentSwap,
            Deleted,
            CheckGone,
            Result,
            Bound,
            Variable,
            Attribute,
            Method,
            Caught,
            Default,
            Accumulated,
        ),
        Jump,
    )
)


def mutations(text: str) -> Iterator[Mutation]:
    """Every mutation of a text, by operator, in the text's order; `settled` says which of them count."""
    module = Module(text)
    in_formats = {inner for node in module.nodes if isinstance(node, ast.JoinedStr) for inner in ast.walk(node)}
    nodes = [node for node in module.nodes if node not in in_formats]
    for operator in OPERATORS:
        for node in nodes:
            for place, new in operator.of(module, node):
                if "\n" not in new:
                    start, end = module.span(place)
                    line: int = place.lineno  # type: ignore[attr-defined]
                    yield Mutation(operator=operator.name, start=start, end=end, new=new, line=line)


def settled(text: str, mutation: Mutation) -> Mutation | None:
    """The mutation without needless parentheses, as a human would write it; None if it means nothing else."""
    wrong = meaning_of(mutation.applied(text))
    if wrong in ("", meaning_of(text)):
        return None
    if mutation.new[0] + mutation.new[-1] == "()":
        bare = replace(mutation, new=mutation.new[1:-1])
        return bare if wrong == meaning_of(bare.applied(text)) else mutation
    return mutation


def meaning_of(text: str) -> str:
    """What a text says whatever its layout, a `pass` beside other statements left out; "" if it is no Python."""
    try:
        tree = ast.parse(text)
    except SyntaxError:
        return ""
    for node in ast.walk(tree):
        for _, block in ast.iter_fields(node):
            if isinstance(block, list) and len(block) > 1 and isinstance(block[0], ast.stmt):
                block[:] = [one for one in block if not isinstance(one, ast.Pass)] or [ast.Pass()]
    return ast.dump(tree)
