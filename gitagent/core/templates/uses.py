"""What a name is good for, told by how its function uses it: no types are declared, but habits show."""

import ast
from collections.abc import Iterator
from itertools import pairwise

Role = tuple[str, str]

# A name put where it is never used in this way seldom makes sense; one that stands beside the old name
# elsewhere (assigned, compared, added) is most likely of its kind.
LINKED, SAME, UNKNOWN, OTHER = 1.0, 0.85, 0.5, 0.12


_TAKES_ITEMS = frozenset(("len", "sorted", "list", "enumerate", "set", "tuple"))


class Uses:
    """The roles and links of the names of one function (or module)."""

    def __init__(self, body: ast.AST) -> None:
        self._roles: dict[str, set[Role]] = {}
        self._group: dict[str, str] = {}
        for parent in ast.walk(body):
            for name, role in _roles(parent):
                self._roles.setdefault(name, set()).add(role)
            for one, other in _links(parent):
                self._group[self._root(one)] = self._root(other)

    def fit(self, old: str, new: str, parent: ast.AST) -> float:
        """How well `new` would stand where `old` does, 0 to 1."""
        if self._root(old) == self._root(new):
            return LINKED
        here = {role for name, role in _roles(parent) if name == old} or self._roles.get(old, set())
        there = self._roles.get(new, set())
        if here & there:
            return SAME
        return OTHER if here and there else UNKNOWN

    def _root(self, name: str) -> str:
        while (up := self._group.get(name, name)) != name:
            name = up
        return name


def _roles(parent: ast.AST) -> Iterator[tuple[str, Role]]:
    """Names directly below a node and what it does with them."""
    match parent:
        case ast.Attribute(value=ast.Name(id=name), attr=attr):
            yield name, ("attribute", attr)
        case ast.Subscript(value=ast.Name(id=name)):
            yield name, ("indexed", "")
        case ast.Subscript(slice=ast.Name(id=name)):
            yield name, ("index", "")
        case ast.For(iter=ast.Name(id=name)) | ast.comprehension(iter=ast.Name(id=name)):
            yield name, ("iterated", "")
        case ast.BinOp() if not isinstance(parent.op, (ast.Mod, ast.BitOr)):
            for side in (parent.left, parent.right):
                if isinstance(side, ast.Name):
                    yield side.id, ("amount", "")
        case ast.AugAssign(target=target, value=value):
            for end in (target, value):
                if isinstance(end, ast.Name):
                    yield end.id, ("amount", "")
        case ast.Compare() if any(isinstance(op, (ast.Lt, ast.LtE, ast.Gt, ast.GtE)) for op in parent.ops):
            for side in (parent.left, *parent.comparators):
                if isinstance(side, ast.Name):
                    yield side.id, ("amount", "")
        case ast.Call(func=ast.Name(id="min" | "max" | "abs" | "round" | "range"), args=args):
            for value in args:
                if isinstance(value, ast.Name) and len(args) > 1:
                    yield value.id, ("amount", "")
        case ast.Call(func=ast.Name(id=called), args=[ast.Name(id=name)]) if called in _TAKES_ITEMS:
            yield name, ("iterated", "")
        case ast.Call(func=ast.Name(id=name)):
            yield name, ("called", "")


def _links(parent: ast.AST) -> Iterator[tuple[str, str]]:
    """Pairs of names of one kind if the code is right: `a = b`, `a < b`, `a - b`, `a += b`, `min(a, b)`."""
    together: list[ast.expr] = []
    match parent:
        case ast.Assign(targets=[ast.Name() as target], value=ast.Name() as value):
            together = [target, value]
        case ast.AugAssign(target=target, value=value, op=ast.Add() | ast.Sub()):
            together = [target, value]
        case ast.BinOp(op=ast.Add() | ast.Sub(), left=left, right=right):
            together = [left, right]
        case ast.Compare(left=left, comparators=comparators) if not any(
            isinstance(op, (ast.In, ast.NotIn, ast.Is, ast.IsNot)) for op in parent.ops
        ):
            together = [left, *comparators]
        case ast.Call(func=ast.Name(id="min" | "max"), args=args) if len(args) > 1:
            together = list(args)
    names = [each.id for each in together if isinstance(each, ast.Name)]
    yield from pairwise(names)
