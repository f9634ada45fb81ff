"""Conditions: conjuncts, guards, `None` against truth, types, branches."""

import ast
from collections.abc import Iterator

from gitagent.core.templates.operators import tests_of
from gitagent.core.templates.source import Edit, Site, Source, alike, walked_names

_LOOSE = (ast.Lambda, ast.IfExp, ast.NamedExpr, ast.Yield, ast.YieldFrom)
_TYPES = (
    *("str", "int", "float", "list", "tuple", "dict", "set", "bytes", "bool", "frozenset", "slice", "complex"),
    *("bytearray", "type", "range", "Mapping", "Sequence", "Iterable", "Decimal", "Path"),
)
_TRUE_OR_FALSE = frozenset(
    ["isinstance", "issubclass", "hasattr", "callable", "any", "all", "bool", "startswith", "endswith"]
)


def dropped_conjunct(src: Source, site: Site) -> Iterator[Edit]:
    """One part of `a and b` goes, or the whole condition becomes true or false."""
    for node in site.nodes:
        if isinstance(node, ast.BoolOp):
            for at, value in enumerate(node.values):
                if at + 1 < len(node.values):
                    start, end = src.span(value)[0], src.span(node.values[at + 1])[0]
                else:
                    start, end = src.span(node.values[at - 1])[1], src.span(value)[1]
                if not isinstance(value, _LOOSE) and src.text[start:end].count("(") == src.text[start:end].count(
                    ")"
                ):
                    yield Edit(start, end, "", 1.0)
    if isinstance(site.node, (ast.If, ast.While)):
        yield src.replace(site.node.test, "False", 0.4)
        if isinstance(site.node, ast.If):
            yield src.replace(site.node.test, "True", 0.4)
    for node in site.nodes:
        if isinstance(node, ast.IfExp):
            yield src.replace(node, src.grouped(node.body), 0.6)
            yield src.replace(node, src.grouped(node.orelse), 0.6)


def added_conjunct(src: Source, site: Site) -> Iterator[Edit]:
    """A condition gains a part: one borrowed from the function or class, or a plain check of a name."""
    tests = [(test, weight) for test, weight in tests_of(site) if weight >= 0.9]
    if not tests:
        return
    for test, sure in tests:
        own = src.segment(test)
        for text, weight in _borrowed(src, site, own):
            yield _joined(src, test, "and", text, sure * weight)
            yield _joined(src, test, "or", text, sure * weight * 0.8)
        for text, weight in _checks(src, site, test):
            yield _joined(src, test, "and", text, sure * weight)
            yield _joined(src, test, "or", _opposite(text), sure * weight * 0.7)


def _joined(src: Source, test: ast.expr, word: str, text: str, weight: float) -> Edit:
    own = src.segment(test)
    loose = isinstance(test, _LOOSE) or (
        isinstance(test, ast.BoolOp) and (isinstance(test.op, ast.And) != (word == "and"))
    )
    return src.replace(test, f"({own}) {word} {text}" if loose else f"{own} {word} {text}", weight)


def _borrowed(src: Source, site: Site, own: str) -> Iterator[tuple[str, float]]:
    """Conditions of the same function, then of the same class or module that use names in scope here."""
    near = set(src.near(site))
    seen = {own}
    for around, worth in ((site.function, 0.7), (site.owner or src.tree, 0.4)):
        if around is None:
            continue
        found: dict[str, float] = {}
        for text, names in _conditions(src, around):
            known = len(names & near)
            if (known or not names) and text not in seen and text not in own:
                found[text] = max(found.get(text, 0.0), worth * (0.5 + 0.5 * known / (len(names) or 1)))
        seen |= found.keys()
        for text in sorted(found, key=lambda text: (-found[text] - 0.2 * alike(text, own), text))[:12]:
            yield text, found[text]


def _conditions(src: Source, around: ast.AST) -> list[tuple[str, frozenset[str]]]:
    """The conditions inside a node, each part of a conjunction by itself, with the names they use."""
    if around not in src.conditions:
        src.conditions[around] = [
            (text, frozenset(walked_names(part)))
            for node in src.inside(around)
            for part in _parts(node)
            if not isinstance(part, (*_LOOSE, ast.Constant)) and (text := src.one_line(part))
        ]
    return src.conditions[around]


def _parts(node: ast.AST) -> Iterator[ast.expr]:
    if isinstance(node, (ast.If, ast.While, ast.IfExp, ast.Assert)):
        yield from node.test.values if isinstance(node.test, ast.BoolOp) else [node.test]
    elif isinstance(node, ast.comprehension):
        yield from node.ifs


def _checks(src: Source, site: Site, test: ast.AST) -> Iterator[tuple[str, float]]:
    used = [n.id for n in ast.walk(test) if isinstance(n, ast.Name)]
    names = sorted(src.near(site), key=lambda name: name not in used)[:6]
    for rank, name in enumerate(dict.fromkeys(names)):
        if name not in {"self", "cls"}:
            weight = (0.6 if name in used else 0.4) - 0.03 * rank
            yield name, weight
            yield f"{name} is not None", weight
            yield f"not {name}", weight * 0.8
            yield f"len({name}) > 1", weight * 0.3
            yield f"{name} is None", weight * 0.5
    for attribute, times in src.own_attributes(site.owner).most_common(5):
        yield f"self.{attribute}", 0.25 + 0.005 * min(times, 10)


def _opposite(text: str) -> str:
    if text.startswith("not "):
        return text[4:]
    if " is not " in text:
        return text.replace(" is not ", " is ")
    if " is " in text:
        return text.replace(" is ", " is not ")
    return f"not {text}" if " " not in text else f"not ({text})"


def guards(src: Source, site: Site) -> Iterator[Edit]:
    """A check with an early way out is put before a statement: `if x is None: return None`."""
    node = site.node
    if not isinstance(node, ast.stmt) or site.function is None or node is site.function or _is_docstring(node):
        return
    if isinstance(
        node, (ast.FunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom, ast.Global, ast.Nonlocal, ast.Pass)
    ):
        return
    ways = [("continue", 0.7)] if site.in_loop else []
    ways += _ways_out(src, site)
    near = src.near(site)
    used = [n.id for n in site.nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load) and n.id in near]
    names = list(dict.fromkeys([*used, *near]))[:6]
    held = [src.segment(n) for n in site.nodes if isinstance(n, ast.Attribute) and isinstance(n.ctx, ast.Load)]
    plain = [
        text for text in dict.fromkeys(held) if text.startswith("self.") and text.isascii() and "\n" not in text
    ]
    for rank, name in enumerate([*names, *plain[:3]]):
        if name in {"self", "cls"}:
            continue
        worth = (1.0 if name in used or name in plain else 0.6) - 0.06 * rank
        for check, likely in ((f"not {name}", 0.9), (f"{name} is None", 0.9), (name, 0.35)):
            for way, weight in [*ways, (f"return {name}", 0.55)]:
                yield from _guard(src, node, check, way, worth * likely * weight)
    for text, weight in list(_borrowed(src, site, ""))[:8]:
        for way, likely in ways[:4]:
            yield from _guard(src, node, text, way, weight * likely * 0.8)
    for name in names[:3]:
        for kind in ("str", "int", "list", "dict", "tuple", "bytes"):
            for way, likely in [(f"return {name}", 0.6), *ways[:2]]:
                if name not in {"self", "cls"}:
                    yield from _guard(src, node, f"isinstance({name}, {kind})", way, 0.3 * likely)


def _guard(src: Source, node: ast.stmt, check: str, way: str, weight: float) -> Iterator[Edit]:
    yield from src.before(node, [f"if {check}:", f"{src.step}{way}"], weight)


def _ways_out(src: Source, site: Site) -> list[tuple[str, float]]:
    found: dict[str, float] = {}
    assert site.function is not None
    generator = any(isinstance(n, (ast.Yield, ast.YieldFrom)) for n in src.inside(site.function))
    for node in src.inside(site.function):
        text = src.one_line(node) if isinstance(node, (ast.Return, ast.Raise)) else None
        if text and text != "raise" and not (generator and text.startswith("return ")):
            found.setdefault(text, 0.9)
    if generator:
        found.setdefault("return", 1.0)
    else:
        usual = (
            "return",
            "return None",
            "return False",
            "return True",
            "return []",
            'return ""',
            "return 0",
            "return {}",
        )
        for rank, way in enumerate(usual[1:] if "return" not in found else usual):
            found.setdefault(way, 0.8 - 0.06 * rank)
    for node in src.inside(site.owner or src.tree):
        text = src.one_line(node) if isinstance(node, ast.Raise) else None
        if text and text != "raise" and len(found) < 16:
            found.setdefault(text, 0.4)
    return sorted(found.items(), key=lambda item: -item[1])


def _is_docstring(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def wrapped(src: Source, site: Site) -> Iterator[Edit]:
    """A simple statement is put under a condition, or taken out of the one it stands under."""
    node = site.node
    if isinstance(node, (ast.Expr, ast.Assign, ast.AugAssign, ast.Return, ast.Raise)) and not _is_docstring(node):
        text = src.one_line(node)
        if text and site.function is not None and src.owns_its_lines(node):
            near = src.near(site)
            used = [n.id for n in site.nodes if isinstance(n, ast.Name) and n.id in near]
            names = [name for name in dict.fromkeys([*used, *near]) if name not in {"self", "cls"}][:4]
            checks = [(check, 0.7) for name in names for check in (f"{name} is not None", name, f"not {name}")]
            checks += [(check, weight * 0.9) for check, weight in list(_borrowed(src, site, ""))[:8]]
            indent = src.indent(node)
            start, end = src.line_start(node.lineno), src.span(node)[1]
            for check, weight in checks:
                lines = f"{indent}if {check}:{src.newline}{indent}{src.step}{text}"
                yield Edit(start, end, lines, weight)
    elif isinstance(node, ast.If) and not node.orelse and len(node.body) == 1 and src.indent(node) is not None:
        inner = src.one_line(node.body[0])
        if inner and src.owns_its_lines(node.body[0]):
            yield src.replace(node, inner, 0.8)


def none_checks(src: Source, site: Site) -> Iterator[Edit]:
    """`if x` becomes `if x is not None` or back; `x or y` asks for None; a default stands in for None."""
    for node, weight in tests_of(site):
        bare, no = node, False
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            bare, no = node.operand, True
        if isinstance(bare, (ast.Name, ast.Attribute, ast.Call, ast.Subscript)) and not _is_bool(bare):
            around = src.parents[node]
            if isinstance(around, ast.BoolOp) and isinstance(around.values[-1], ast.Constant):
                weight *= 0.3  # `x or None` is a default, not a test
            text = src.segment(bare)
            yield src.replace(node, f"{text} is None" if no else f"{text} is not None", weight)
            yield src.replace(node, f"len({text}) {'==' if no else '>'} 0", weight * 0.3)
        elif isinstance(bare, ast.Compare) and len(bare.ops) == 1 and not no:
            text, right = src.grouped(bare.left), bare.comparators[0]
            if isinstance(right, ast.Constant) and right.value is None:
                yield src.replace(
                    node, text if isinstance(bare.ops[0], (ast.IsNot, ast.NotEq)) else f"not {text}", weight
                )
    for inner in site.nodes:
        if isinstance(inner, ast.BoolOp) and isinstance(inner.op, ast.Or) and len(inner.values) == 2:
            one, two = (src.grouped(value) for value in inner.values)
            if isinstance(inner.values[0], (ast.Name, ast.Attribute)):
                new = f"{one} if {one} is not None else {two}"
                alone = isinstance(src.parents[inner], (ast.Assign, ast.Return, ast.keyword))
                yield src.replace(inner, new if alone else f"({new})", 0.7)
    value = getattr(site.node, "value", None)
    if isinstance(site.node, (ast.Assign, ast.Return)) and isinstance(value, (ast.Name, ast.Attribute, ast.Call)):
        text = src.segment(value)
        for rank, other in enumerate(("None", '""', "[]", "{}", "0", "()", *src.near(site)[:4])):
            if other != text and other != "None":
                yield src.replace(value, f"{text} or {other}", 0.4 - 0.03 * rank)
    if (
        isinstance(site.node, (ast.Assign, ast.Return))
        and isinstance(value, ast.expr)
        and "\n" not in src.segment(value)
    ):
        names = [n.id for n in ast.walk(value) if isinstance(n, ast.Name) and n.id in src.near(site)]
        for name in [name for name in dict.fromkeys(names) if name not in {"self", "cls"}][:3]:
            for rank, other in enumerate(("None", name, '""', "[]", "0")):
                for check in (name, f"{name} is not None"):
                    if src.segment(value) != other:
                        yield src.replace(
                            value, f"{src.grouped(value)} if {check} else {other}", 0.45 - 0.05 * rank
                        )


def _is_bool(node: ast.expr) -> bool:
    """Whether a call gives True or False whatever it is given, as far as its name tells."""
    if not isinstance(node, ast.Call):
        return False
    name = getattr(node.func, "id", getattr(node.func, "attr", ""))
    return name in _TRUE_OR_FALSE or name.startswith(("is_", "has_"))


def types(src: Source, site: Site) -> Iterator[Edit]:
    """`isinstance` asks for one type more, fewer, or another."""
    seen: dict[str, None] = {}
    for call in src.calls:
        if isinstance(call.func, ast.Name) and call.func.id == "isinstance" and len(call.args) == 2:
            asked = call.args[1]
            for kind in asked.elts if isinstance(asked, ast.Tuple) else [asked]:
                seen.setdefault(src.segment(kind))
    known = set(src.scope(site)) | src.imported
    options = [*seen, *(name for name in _TYPES if name not in seen and (name.islower() or name in known))]
    for node in site.nodes:
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and len(node.args) == 2:
            if node.func.id not in {"isinstance", "issubclass"}:
                continue
            asked = node.args[1]
            own = src.segment(asked)
            kinds = [src.segment(each) for each in asked.elts] if isinstance(asked, ast.Tuple) else [own]
            for rank, name in enumerate([name for name in options if name not in kinds][:18]):
                yield src.replace(asked, f"({', '.join([*kinds, name])})", 0.9 - 0.03 * rank)
                yield src.replace(asked, name, 0.6 - 0.03 * rank)
            if len(kinds) > 1:
                for gone in kinds:
                    yield src.replace(asked, f"({', '.join(k for k in kinds if k != gone)},)", 0.4)


def branches(src: Source, site: Site) -> Iterator[Edit]:
    """`if` becomes `elif` and back, an `else` is added or its content taken out, a test is told before it."""
    node = site.node
    if not isinstance(node, ast.If):
        return
    start, _ = src.span(node)
    line = src.text[src.line_start(node.lineno) : start + 4]
    if line.lstrip().startswith("elif"):
        yield Edit(start, start + 4, "if", 0.6)
        return
    at = site.block.index(node)
    before = site.block[at - 1] if at else None
    if isinstance(before, ast.If) and not _ends_in_else(before):
        yield Edit(start, start + 2, "elif", 0.8)
    indent = src.indent(node)
    if node.orelse or indent is None or not src.owns_its_lines(node):
        return
    for inner in node.body:
        if isinstance(inner, ast.Assign) and len(inner.targets) == 1:
            target = src.one_line(inner.targets[0])
            names = [name for name in src.near(site) if name not in {"self", "cls", target}]
            for rank, value in enumerate(("None", *names[:4], "0", '""', "[]", "False", "True")):
                lines = ["else:", f"{src.step}{target} = {value}"]
                yield from src.after(node, lines, 0.4 - 0.03 * rank)
    if not isinstance(node.body[-1], (ast.Return, ast.Raise, ast.Continue, ast.Break)):
        own = src.text[src.line_start(node.body[0].lineno) : src.line_start((node.end_lineno or 0) + 1)]
        follow = site.block[at + 1] if at + 1 < len(site.block) else None
        if (
            follow is not None
            and (text := src.one_line(follow))
            and src.owns_its_lines(follow)
            and own.endswith("\n")
        ):
            a, b = src.lines_span(follow)
            yield Edit(a, b, f"{indent}else:{src.newline}{indent}{src.step}{text}{src.newline}", 0.6)


def _ends_in_else(node: ast.If) -> bool:
    while node.orelse:
        if len(node.orelse) == 1 and isinstance(node.orelse[0], ast.If):
            node = node.orelse[0]
        else:
            return True
    return False
