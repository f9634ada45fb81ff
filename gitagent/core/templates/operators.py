"""Operators: comparison, boolean, arithmetic, assignment, negation, sides swapped, bounds off by one."""

import ast
import re
from collections.abc import Iterator

from gitagent.core.templates.source import Edit, Site, Source

# Turning a test round mends few bugs, and passes many tests for a wrong reason.
_COMPARE: dict[type[ast.cmpop], tuple[str, tuple[tuple[str, float], ...]]] = {
    ast.Lt: (r"<", (("<=", 1.0), (">", 0.5), (">=", 0.4), ("!=", 0.4), ("==", 0.3))),
    ast.LtE: (r"<=", (("<", 1.0), (">=", 0.5), (">", 0.4), ("==", 0.4), ("!=", 0.3))),
    ast.Gt: (r">", ((">=", 1.0), ("<", 0.5), ("<=", 0.4), ("!=", 0.4), ("==", 0.3))),
    ast.GtE: (r">=", ((">", 1.0), ("<=", 0.5), ("<", 0.4), ("==", 0.4), ("!=", 0.3))),
    ast.Eq: (r"==", ((">=", 0.6), ("<=", 0.6), ("!=", 0.5), ("in", 0.4), ("is", 0.3), (">", 0.3), ("<", 0.3))),
    ast.NotEq: (r"!=", ((">", 0.6), ("<", 0.6), ("==", 0.5), ("not in", 0.4), ("is not", 0.3))),
    ast.Is: (r"\bis\b", (("==", 0.7), ("is not", 0.45))),
    ast.IsNot: (r"\bis\s+not\b", (("!=", 0.7), ("is", 0.45))),
    ast.In: (r"\bin\b", (("not in", 0.45), ("==", 0.4))),
    ast.NotIn: (r"\bnot\s+in\b", (("in", 0.45), ("!=", 0.4))),
}
_ARITHMETIC: dict[type[ast.operator], tuple[str, tuple[str, ...]]] = {
    ast.Add: (r"\+", ("-", "*", "|")),
    ast.Sub: (r"-", ("+", "/", "%")),
    ast.Mult: (r"\*", ("/", "//", "+", "**")),
    ast.Div: (r"/", ("//", "*", "-")),
    ast.FloorDiv: (r"//", ("/", "%", "*")),
    ast.Mod: (r"%", ("//", "/", "*")),
    ast.Pow: (r"\*\*", ("*",)),
    ast.LShift: (r"<<", (">>",)),
    ast.RShift: (r">>", ("<<",)),
    ast.BitAnd: (r"&", ("|", "^")),
    ast.BitOr: (r"\|", ("&", "^", "+")),
    ast.BitXor: (r"\^", ("|", "&")),
}

# What leaves a number as it is, by the right side.
_IDLE = {"1": ("*", "/", "//", "**"), "0": ("+", "-", "|")}


def comparison(src: Source, site: Site) -> Iterator[Edit]:
    """`a < b` becomes `a <= b`, `is` becomes `==`, `in` becomes `not in`."""
    for node in site.nodes:
        if isinstance(node, ast.Compare):
            for left, op, right in zip([node.left, *node.comparators], node.ops, node.comparators, strict=False):
                token, others = _COMPARE[type(op)]
                where = src.between(left, right, token)
                if where:
                    same = 0.2 if isinstance(right, ast.Constant) and right.value is None else 1.0
                    yield from (Edit(*where, o, w * (same if o in {"==", "!="} else 1.0)) for o, w in others)


def connective(src: Source, site: Site) -> Iterator[Edit]:
    """`and` becomes `or`, and the other way round."""
    for node in site.nodes:
        if isinstance(node, ast.BoolOp):
            old, new = ("and", "or") if isinstance(node.op, ast.And) else ("or", "and")
            for left, right in zip(node.values, node.values[1:], strict=False):
                where = src.between(left, right, rf"\b{old}\b")
                if where:
                    yield Edit(*where, new, 0.2 if isinstance(right, ast.Constant) else 1.0)


def arithmetic(src: Source, site: Site) -> Iterator[Edit]:
    """`a + b` becomes `a - b`; a sign is added or dropped; one side alone is kept."""
    for node in site.nodes:
        if isinstance(node, ast.BinOp) and type(node.op) in _ARITHMETIC:
            token, others = _ARITHMETIC[type(node.op)]
            where = src.between(node.left, node.right, token)
            formats = isinstance(node.left, (ast.Constant, ast.JoinedStr)) and isinstance(node.op, ast.Mod)
            if where and not formats:
                # `x / 1` and `x - 0` are `x`, which the sides alone say better.
                idle = _IDLE.get(src.segment(node.right), ())
                offered = ((other, 0.9 - 0.2 * n) for n, other in enumerate(others) if other not in idle)
                yield from (Edit(*where, other, weight) for other, weight in offered)
            yield src.replace(node, src.grouped(node.left), 0.4)
            yield src.replace(node, src.grouped(node.right), 0.3)
        elif isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.USub, ast.Invert)):
            yield src.replace(node, src.segment(node.operand), 0.5)
        elif isinstance(node, (ast.Name, ast.Attribute)) and isinstance(src.parents[node], ast.BinOp):
            yield src.replace(node, f"-{src.segment(node)}", 0.15)
    if isinstance(site.node, ast.Return) and isinstance(site.node.value, (ast.Name, ast.Attribute, ast.Call)):
        yield src.replace(site.node.value, f"-{src.segment(site.node.value)}", 0.15)


def assignment(src: Source, site: Site) -> Iterator[Edit]:
    """`=` becomes `+=`, `+=` becomes `=` or `-=`."""
    node = site.node
    if isinstance(node, ast.AugAssign):
        where = src.between(node.target, node.value, r"[-+*/%@&|^<>]+=")
        if where:
            own = src.text[slice(*where)]
            for other, weight in (("=", 1.0), ("+=", 0.9), ("-=", 0.8), ("|=", 0.4), ("*=", 0.3), ("&=", 0.3)):
                if other != own:
                    yield Edit(*where, other, weight)
    elif isinstance(node, ast.Assign) and len(node.targets) == 1:
        target = node.targets[0]
        where = src.between(target, node.value, r"=")
        if where and isinstance(target, (ast.Name, ast.Attribute, ast.Subscript)):
            likely = 1.0 if site.in_loop or not isinstance(target, ast.Name) else 0.5
            yield from (Edit(*where, op, w * likely) for op, w in (("+=", 0.8), ("-=", 0.4), ("|=", 0.2)))


def swapped(src: Source, site: Site) -> Iterator[Edit]:
    """Two operands, arguments, elements or branches change places."""
    for node in site.nodes:
        pairs: list[tuple[ast.expr, ast.expr, float]] = []
        if isinstance(node, ast.BinOp):
            token = _ARITHMETIC.get(type(node.op), ("@", ()))[0]
            weight = 0.4 if isinstance(node.op, (ast.Mult, ast.BitAnd)) else 0.9
            yield from _sides(src, node, node.left, node.right, token, weight)
        elif isinstance(node, ast.Compare) and len(node.ops) == 1:
            yield from _sides(src, node, node.left, node.comparators[0], _COMPARE[type(node.ops[0])][0], 0.6)
        elif isinstance(node, ast.BoolOp) and len(node.values) == 2:
            word = "and" if isinstance(node.op, ast.And) else "or"
            yield from _sides(src, node, node.values[0], node.values[1], rf"\b{word}\b", 0.5)
        elif isinstance(node, ast.Call):
            pairs = _pairs(node.args)
            pairs += [(a.value, b.value, 0.4) for a, b in zip(node.keywords, node.keywords[1:], strict=False)]
            if isinstance(node.func, ast.Attribute) and len(node.args) == 1:
                pairs.append((node.func.value, node.args[0], 0.5))
        elif isinstance(node, ast.Tuple) and isinstance(node.ctx, ast.Load):
            pairs = _pairs(node.elts)
        elif isinstance(node, ast.IfExp):
            pairs = [(node.body, node.orelse, 0.8)]
        for one, two, weight in pairs:
            a, b = src.span(one), src.span(two)
            if a[1] <= b[0] and src.segment(one) != src.segment(two):
                yield Edit(a[0], b[1], src.segment(two) + src.text[a[1] : b[0]] + src.segment(one), weight)


def _sides(
    src: Source, node: ast.expr, left: ast.expr, right: ast.expr, token: str, weight: float
) -> Iterator[Edit]:
    where = src.between(left, right, token)
    if where is None:
        return
    start, end = src.span(node)
    one, two = src.text[start : where[0]], src.text[where[1] : end]
    lead, trail = two[: len(two) - len(two.lstrip())], one[len(one.rstrip()) :]
    first = src.grouped(left) if one.strip() == src.segment(left) else one.strip()
    second = src.grouped(right) if two.strip() == src.segment(right) else two.strip()
    if first != second:
        yield Edit(start, end, second + trail + src.text[slice(*where)] + lead + first, weight)


def _pairs(items: list[ast.expr]) -> list[tuple[ast.expr, ast.expr, float]]:
    plain = [item for item in items[:5] if not isinstance(item, ast.Starred)]
    return [(a, b, 0.9 if j == i + 1 else 0.4) for i, a in enumerate(plain) for j, b in enumerate(plain) if i < j]


def negation(src: Source, site: Site) -> Iterator[Edit]:
    """A condition gains or loses its `not`."""
    for node, weight in tests_of(site):
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            yield src.replace(node, src.segment(node.operand), weight)
        elif isinstance(node, ast.BoolOp):
            yield src.replace(node, f"not ({src.segment(node)})", weight * 0.6)
        elif isinstance(node, ast.Compare):
            yield src.replace(node, f"not {src.segment(node)}", weight * 0.3)
        elif isinstance(node, (ast.Name, ast.Attribute, ast.Call, ast.Subscript)):
            yield src.replace(node, f"not {src.segment(node)}", weight)


def tests_of(site: Site) -> Iterator[tuple[ast.expr, float]]:
    """Expressions that are read as true or false, with how sure that is."""
    node = site.node
    if isinstance(node, (ast.If, ast.While, ast.Assert)):
        yield node.test, 1.0
    elif isinstance(node, (ast.Return, ast.Assign)) and node.value is not None:
        yield node.value, 0.3
    for inner in site.nodes:
        if isinstance(inner, ast.IfExp):
            yield inner.test, 0.9
        elif isinstance(inner, ast.comprehension):
            yield from ((test, 0.9) for test in inner.ifs)
        elif isinstance(inner, ast.BoolOp):
            yield from ((value, 0.7) for value in inner.values)
        elif isinstance(inner, ast.Lambda):
            yield inner.body, 0.4
        elif isinstance(inner, ast.keyword):
            yield inner.value, 0.2


def bounds(src: Source, site: Site) -> Iterator[Edit]:
    """Indices, slices, ranges, lengths and limits move by one; a bound is added or dropped."""
    for node in site.nodes:
        if isinstance(node, ast.Subscript) and not isinstance(node.slice, (ast.Slice, ast.Tuple)):
            yield from _by_one(src, node.slice, 0.9)
        elif isinstance(node, ast.Slice):
            yield from _slices(src, node)
        elif isinstance(node, ast.Call):
            counts = isinstance(node.func, ast.Name) and node.func.id in {"range", "islice", "enumerate"}
            for argument in node.args:
                yield from _by_one(src, argument, 0.9 if counts else 0.25)
            for keyword in node.keywords:
                yield from _by_one(src, keyword.value, 0.25)
            if isinstance(node.func, ast.Name) and node.func.id == "range" and len(node.args) == 1:
                yield src.replace(node.args[0], f"1, {src.segment(node.args[0])}", 0.5)
        elif isinstance(node, ast.Compare):
            if any(isinstance(op, (ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.Eq, ast.NotEq)) for op in node.ops):
                for side in (node.left, *node.comparators):
                    yield from _by_one(src, side, 0.6)
        elif isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Add, ast.Sub, ast.FloorDiv, ast.Mod)):
            yield from _by_one(src, node, 0.9 if _is_one(node.right) else 0.4)
    value = getattr(site.node, "value", None)
    if isinstance(site.node, (ast.Return, ast.Assign, ast.AugAssign)) and value is not None:
        yield from _by_one(src, value, 0.35)


def _by_one(src: Source, node: ast.expr, weight: float) -> Iterator[Edit]:
    if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Add, ast.Sub)) and _is_one(node.right):
        yield src.replace(node, src.segment(node.left), weight)
        where = src.between(node.left, node.right, r"[-+]")
        if where:
            yield Edit(*where, "-" if isinstance(node.op, ast.Add) else "+", weight * 0.6)
            yield src.replace(node.right, "2", weight * 0.3)
    elif isinstance(node, (ast.Name, ast.Attribute, ast.Call, ast.BinOp, ast.Subscript)):
        text = src.segment(node) if isinstance(node, ast.BinOp) and _adds(node) else src.grouped(node)
        yield src.replace(node, f"{text} + 1", weight * 0.8)
        yield src.replace(node, f"{text} - 1", weight * 0.8)
    elif (
        isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub) and isinstance(node.operand, ast.Constant)
    ) and isinstance(node.operand.value, int):
        yield src.replace(node, str(-node.operand.value + 1), weight)
        yield src.replace(node, str(-node.operand.value - 1), weight * 0.8)


def _slices(src: Source, node: ast.Slice) -> Iterator[Edit]:
    start, end = src.span(node)
    for part in (node.lower, node.upper, node.step):
        if part is not None:
            yield from _by_one(src, part, 1.0)
            if isinstance(part, ast.Constant) and isinstance(part.value, int) and not isinstance(part.value, bool):
                yield src.replace(part, str(part.value + 1), 0.9)
                yield src.replace(part, str(part.value - 1), 0.9)
            yield src.replace(part, "", 0.5)
    text = src.text[start:end]
    if node.lower is None and node.step is None:
        yield Edit(start, end, "1" + text, 0.5)
    if node.upper is None and node.step is None and re.fullmatch(r"[^:]*:\s*", text):
        yield Edit(start, end, text.rstrip() + "-1", 0.5)


def _is_one(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value == 1 and node.value is not True


def _adds(node: ast.BinOp) -> bool:
    return isinstance(node.op, (ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv, ast.Mod))
