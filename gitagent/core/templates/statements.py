"""Statements: removed, moved, repeated, borrowed; exceptions, loops, results, defaults."""

import ast
import builtins
import re
from bisect import insort
from collections import Counter
from collections.abc import Iterator, Mapping, Set

from gitagent.core.templates.source import Edit, Function, Site, Source, alike

_SIMPLE = (
    ast.Expr,
    ast.Assign,
    ast.AugAssign,
    ast.Return,
    ast.Raise,
    ast.Delete,
    ast.Assert,
    ast.Break,
    ast.Continue,
)
_WIDER = (
    *(
        "Exception",
        "ValueError",
        "TypeError",
        "KeyError",
        "IndexError",
        "AttributeError",
        "OSError",
        "LookupError",
    ),
    *("StopIteration", "ArithmeticError", "ImportError", "RuntimeError", "NotImplementedError", "OverflowError"),
    *("UnicodeError", "ZeroDivisionError", "UnicodeDecodeError"),
)
_FAILS: tuple[tuple[str, type[ast.AST]], ...] = (
    ("KeyError", ast.Subscript),
    ("IndexError", ast.Subscript),
    ("AttributeError", ast.Attribute),
    ("ValueError", ast.Call),
    ("TypeError", ast.expr),
)
_BUILTINS = frozenset(dir(builtins))
_MOST = 40
_MOST_RENAMED = 300
_ANY_LOOP = (ast.For, ast.AsyncFor, ast.While)


def removed(src: Source, site: Site) -> Iterator[Edit]:
    """A statement goes; of a compound one also only the head goes, or the `else`."""
    node = site.node
    if not isinstance(node, ast.stmt) or _is_docstring(node) or not src.owns_its_lines(node):
        return
    if isinstance(
        node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom, ast.Pass)
    ):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            for decorator in node.decorator_list:
                yield Edit(
                    src.line_start(decorator.lineno), src.line_start((decorator.end_lineno or 0) + 1), "", 0.3
                )
        return
    weight = 1.0 if isinstance(node, (ast.Expr, ast.AugAssign, ast.If, ast.Raise)) else 0.6
    if len(_block(src, node)) > 1:
        yield Edit(*src.lines_span(node), "", weight)
    else:
        yield src.replace(node, "pass", weight)
    if isinstance(node, ast.If) and node.orelse:
        start, end = src.line_start(node.body[-1].end_lineno or 0), src.span(node)[1]
        stop = src.text.find("\n", start)
        if 0 <= stop < end:
            yield Edit(stop + 1 - len(src.newline), end, "", 0.5)


def _block(src: Source, node: ast.stmt) -> list[ast.stmt]:
    parent = src.parents[node]
    for name in ("body", "orelse", "finalbody"):
        block = getattr(parent, name, None)
        if isinstance(block, list) and node in block:
            return block
    return [node]


def moved(src: Source, site: Site) -> Iterator[Edit]:
    """A statement changes places with its neighbour, moves in or out of a block, or is done twice."""
    node = site.node
    if not isinstance(node, ast.stmt) or _is_docstring(node) or not src.owns_its_lines(node):
        return
    block = _block(src, node)
    at = block.index(node)
    a, b = src.lines_span(node)
    own = src.text[a:b]
    for other in block[at + 1 : at + 3]:
        c, d = src.lines_span(other)
        if src.owns_its_lines(other) and own.endswith("\n") and src.text[c:d].endswith("\n"):
            yield Edit(a, d, src.text[b:d] + own, 0.9 if other is block[at + 1] else 0.5)
    indent = src.indent(node) or ""
    parent = src.parents[node]
    simple = isinstance(node, _SIMPLE) and src.one_line(node) is not None and own.endswith("\n")
    if (
        simple
        and isinstance(parent, ast.stmt)
        and not isinstance(parent, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef))
    ):
        outer = src.indent(parent)
        if outer is not None and node is block[-1] and len(block) > 1 and parent.end_lineno == node.end_lineno:
            yield Edit(a, a + len(indent), outer, 0.8)
        elif outer is not None and len(block) > 1 and parent.end_lineno is not None:
            end = src.line_start(parent.end_lineno + 1)
            yield Edit(a, end, src.text[b:end] + outer + own.lstrip(), 0.5)
        if outer is not None and len(block) > 1 and node is block[0]:
            start = src.line_start(src.first_line(parent))
            yield Edit(start, b, outer + own.lstrip() + src.text[start:a], 0.5)
    before = block[at - 1] if at else None
    if simple and isinstance(before, (ast.If, *_ANY_LOOP, ast.With, ast.Try)):
        last = before.orelse[-1] if isinstance(before, ast.If) and before.orelse else before.body[-1]
        deeper = src.indent(last)
        if deeper is not None and last.end_lineno == before.end_lineno:
            yield Edit(a, a + len(indent), deeper, 0.7)
    if simple and isinstance(node, (ast.Expr, ast.AugAssign)):
        yield Edit(b, b, own, 0.3)


def borrowed(src: Source, site: Site) -> Iterator[Edit]:
    """A statement of the same class or module, using names known here, is put before or in place of one."""
    node = site.node
    if not isinstance(node, ast.stmt) or site.function is None or _is_docstring(node) or node is site.function:
        return
    near, scope = set(src.near(site)), src.scope(site)
    pool: dict[str, float] = {}
    around: ast.AST = site.owner or src.tree
    for other in src.inside(around):
        if (
            not isinstance(other, (ast.Expr, ast.Assign, ast.AugAssign, ast.Raise))
            or other is node
            or _is_docstring(other)
        ):
            continue
        text = src.one_line(other)
        loads = src.names(other)[1]
        if text and loads & near and all(name in scope or name in src.imported for name in loads & _lower(loads)):
            pool[text] = max(pool.get(text, 0.0), 0.8 if _inside(src, other, site.function) else 0.5)
    for text, weight in _renamed(src, site, pool):
        pool.setdefault(text, weight)
    own = src.one_line(node) or ""
    for rank, text in enumerate(_nearest(own, pool)):
        worth = 1.0 / (1.0 + 0.06 * rank)
        if not isinstance(node, ast.Pass):
            yield from src.before(node, [text], 0.6 * worth)
        if own and isinstance(node, (*_SIMPLE, ast.Pass)):
            yield src.replace(node, text, (0.9 if isinstance(node, ast.Pass) else 0.5) * worth)
        if not isinstance(node, (ast.Return, ast.Raise, ast.Continue, ast.Break, ast.Pass)):
            yield from src.after(node, [text], 0.4 * worth)


def _nearest(own: str, pool: Mapping[str, float]) -> list[str]:
    """The best of these texts by weight and likeness, the closest look kept for those whose lengths allow it."""
    most = {text: pool[text] + min(len(own), len(text)) / (len(own) + len(text)) for text in pool}
    best: list[tuple[float, str]] = []
    for text in sorted(pool, key=lambda text: -most[text]):
        if len(best) >= _MOST and most[text] < -best[-1][0]:
            break
        insort(best, (-pool[text] - 0.5 * alike(own, text), text))
        del best[_MOST:]
    return [text for _, text in best]


def _renamed(src: Source, site: Site, pool: dict[str, float]) -> Iterator[tuple[str, float]]:
    """Statements of the file with one name for another: what is done to one name is often done to the next."""
    assert site.function is not None
    near = [name for name in src.near(site) if name not in {"self", "cls"}]
    scope = src.scope(site)
    found: dict[str, float] = {}
    for other in src.all_nodes:
        if not isinstance(other, (ast.Expr, ast.Assign, ast.AugAssign, ast.Return)) or _is_docstring(other):
            continue
        text = src.one_line(other)
        if not text or len(found) > _MOST_RENAMED:
            continue
        names = [name for name in src.names(other)[0] if name not in {"self", "cls"}]
        strange = [n for n in names if n not in scope and n not in src.imported and n not in _BUILTINS]
        here = _inside(src, other, site.function)
        if len(strange) > 1 or not (here or strange):
            continue
        for old in strange or [name for name in names if name in near]:
            for new in sorted(near, key=lambda name: -alike(old, name))[:4]:
                if new != old:
                    renamed = re.sub(rf"\b{re.escape(old)}\b", new, text)
                    found.setdefault(renamed, 0.45 if here else 0.25)
    yield from ((text, weight) for text, weight in found.items() if text not in pool)


def _lower(names: Set[str]) -> Set[str]:
    return names - _BUILTINS


def _inside(src: Source, node: ast.AST, function: Function) -> bool:
    around: ast.AST | None = node
    while around is not None and around is not function:
        around = src.parents.get(around)
    return around is function


def exceptions(src: Source, site: Site) -> Iterator[Edit]:
    """Another, wider or further exception is caught or raised; a raise becomes a return."""
    node = site.node
    known = {
        n.name
        for n in src.tree.body
        if isinstance(n, ast.ClassDef) and n.name.endswith(("Error", "Exception", "Warning"))
    }
    known |= {name for name in src.imported if name.endswith(("Error", "Exception"))}
    if isinstance(node, ast.ExceptHandler):
        if node.type is None:
            return
        kinds = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
        have = [src.segment(kind) for kind in kinds]
        options = [name for name in [*sorted(known), *_WIDER] if name not in have]
        for rank, name in enumerate(options):
            yield src.replace(node.type, f"({', '.join([*have, name])})", 0.9 - 0.03 * rank)
            yield src.replace(node.type, name, 0.6 - 0.03 * rank)
        for name in have if len(have) > 1 else ():
            yield src.replace(node.type, name, 0.4)
    elif isinstance(node, ast.Raise) and node.exc is not None:
        kind = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
        own = src.segment(kind)
        for rank, name in enumerate(name for name in [*sorted(known), *_WIDER] if name != own):
            yield src.replace(kind, name, 0.8 - 0.04 * rank)
        for rank, way in enumerate(
            ("return None", "return", "return False", "continue" if site.in_loop else "pass", "raise")
        ):
            yield src.replace(node, way, 0.6 - 0.06 * rank)
        if node.cause is None:
            yield Edit(src.span(node)[1], src.span(node)[1], " from None", 0.3)
        if not isinstance(node.exc, ast.Call):
            yield Edit(src.span(node)[1], src.span(node)[1], "()", 0.1)


def tried(src: Source, site: Site) -> Iterator[Edit]:
    """A simple statement is tried, and its usual failures passed over or answered with a default."""
    node = site.node
    text = src.one_line(node)
    if not isinstance(node, (ast.Expr, ast.Assign, ast.Return)) or text is None or not src.owns_its_lines(node):
        return
    if site.function is None or _is_docstring(node):
        return
    indent = src.indent(node) or ""
    kinds = [kind for kind, needs in _FAILS if any(isinstance(n, needs) for n in site.nodes)]
    ways = ["return None", "return False", "return NotImplemented", "pass"]
    if any(isinstance(inner, (ast.Yield, ast.YieldFrom)) for inner in src.inside(site.function)):
        # What raises StopIteration inside a generator is an error (PEP 479).
        kinds = ["StopIteration", *kinds] if any(isinstance(n, ast.Call) for n in site.nodes) else kinds
        ways = ["return", "pass"]
    if site.in_loop:
        ways[:0] = ["continue", "break"]
    if isinstance(node, ast.Assign) and kinds[:1] != ["StopIteration"]:
        ways = [f"{src.segment(node.targets[0])} = {value}" for value in ("None", '""', "0", "[]")] + ways[:2]
    start, end = src.line_start(node.lineno), src.span(node)[1]
    for rank, kind in enumerate(kinds):
        for place, way in enumerate(ways):
            lines = ["try:", f"{src.step}{text}", f"except {kind}:", f"{src.step}{way}"]
            yield Edit(
                start, end, src.newline.join(indent + line for line in lines), 0.7 - 0.05 * rank - 0.06 * place
            )


def loops(src: Source, site: Site) -> Iterator[Edit]:
    """`break`, `continue`, `pass` and `return` stand in for one another, or are put at a block's end."""
    node = site.node
    if isinstance(node, (ast.Break, ast.Continue, ast.Pass)) or (isinstance(node, ast.Return) and site.in_loop):
        own = src.segment(node)
        for rank, other in enumerate(("break", "continue", "return", "pass")):
            if other != own and (site.in_loop or other in {"return", "pass"}) and site.function is not None:
                yield src.replace(node, other, 0.9 - 0.15 * rank)
    elif (
        site.in_loop and isinstance(node, (ast.Expr, ast.Assign, ast.AugAssign)) and node is _block(src, node)[-1]
    ):
        yield from src.after(node, ["break"], 0.6)
        if isinstance(src.parents[node], (ast.If, ast.Try)):
            yield from src.after(node, ["continue"], 0.6)
    if isinstance(node, ast.While):
        yield Edit(src.span(node)[0], src.span(node)[0] + 5, "if", 0.3)
    elif isinstance(node, ast.If) and not node.orelse and src.indent(node) is not None:
        yield Edit(src.span(node)[0], src.span(node)[0] + 2, "while", 0.5)


def results(src: Source, site: Site) -> Iterator[Edit]:
    """A missing `return`: before an expression, at a function's end, or `yield` for `return` and back."""
    node = site.node
    if site.function is None or not isinstance(node, ast.stmt):
        return
    if (
        isinstance(node, ast.Expr)
        and not _is_docstring(node)
        and not isinstance(node.value, (ast.Yield, ast.YieldFrom))
    ):
        yield src.replace(node, f"return {src.segment(node)}", 0.9)
        if isinstance(node.value, ast.Call) and isinstance(node.value.func, ast.Attribute):
            target = src.segment(node.value.func.value)
            if not target.startswith("super()"):
                yield src.replace(node, f"{target} = {src.segment(node)}", 0.5)
    elif isinstance(node, ast.Return) and node.value is not None:
        yield src.replace(node, f"yield {src.segment(node.value)}", 0.2)
    elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Yield) and node.value.value is not None:
        yield src.replace(node, f"return {src.segment(node.value.value)}", 0.2)
    elif isinstance(node, ast.Pass):
        ways = [text for n in src.inside(site.function) if isinstance(n, ast.Return) and (text := src.one_line(n))]
        ways += [f"return {name}" for name in reversed(src.near(site))]
        ways += [
            text
            for n in src.inside(site.owner or src.tree)
            if isinstance(n, ast.Raise) and (text := src.one_line(n))
        ]
        for rank, way in enumerate(dict.fromkeys([*ways, "return None", "return True", "return False"])):
            yield src.replace(node, way, 0.9 / (1.0 + 0.1 * rank))
    block = _block(src, node)
    if node is block[-1] and not isinstance(node, (ast.Return, ast.Raise, ast.Continue, ast.Break, ast.Pass)):
        names = [name for name in reversed(src.near(site)) if name != "cls"][:5]
        last = node is site.function.body[-1]
        for rank, value in enumerate([*names, "True", "False", "self"]):
            yield from src.after(node, [f"return {value}"], (0.6 if last else 0.45) - 0.04 * rank)
        if not last:
            yield from src.after(node, ["return"], 0.5)


def _unbound(src: Source, site: Site, node: ast.stmt, used: list[str]) -> Iterator[Edit]:
    """A name that is bound nowhere gets a value: one of the function's expressions, or a plain one."""
    scope = src.scope(site)
    for name in [
        n for n in dict.fromkeys(used) if n not in scope and n not in src.imported and n not in _BUILTINS
    ]:
        assert site.function is not None
        values = ["None", "[]", "0", '""', "{}", "False", "True", *src.near(site)]
        values += [
            text
            for inner in src.inside(site.function)
            if isinstance(inner, (ast.Call, ast.Attribute, ast.Subscript, ast.BinOp))
            and not src.in_fstring(inner)
            and name not in (text := src.one_line(inner) or name)
        ]
        for rank, value in enumerate(list(dict.fromkeys(values))[:_MOST]):
            yield from src.before(node, [f"{name} = {value}"], 0.9 / (1.0 + 0.04 * rank))


def defaults(src: Source, site: Site) -> Iterator[Edit]:
    """A parameter's default changes: a mutable one becomes None and is made afresh, another value is given."""
    node = site.node
    if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return
    arguments = node.args
    plain = [*arguments.posonlyargs, *arguments.args]
    given = list(zip(plain[len(plain) - len(arguments.defaults) :], arguments.defaults, strict=True))
    given += [(a, d) for a, d in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True) if d is not None]
    for argument, default in given:
        own = src.segment(default)
        if isinstance(default, (ast.List, ast.Dict, ast.Set, ast.Call)) and "\n" not in own:
            body = node.body[1:] if _is_docstring(node.body[0]) and len(node.body) > 1 else node.body
            indent = src.indent(body[0])
            start, end = src.span(default)
            at = src.line_start(src.first_line(body[0]))
            if indent is not None and not _is_docstring(body[0]):
                lines = (f"if {argument.arg} is None:", f"{src.step}{argument.arg} = {own}")
                fresh = "".join(indent + line + src.newline for line in lines)
                yield Edit(start, at, "None" + src.text[end:at] + fresh, 1.0)
        usual = ["None", "True", "False", "0", "1", '""', "()", "-1"]
        elsewhere = _given_elsewhere(src, argument.arg)
        for other in dict.fromkeys([*elsewhere, *usual, *list(src.strings)[:20]]):
            if other != own:
                yield src.replace(default, other, 0.9 if other in elsewhere and other not in usual else 0.4)
    required = plain[: len(plain) - len(arguments.defaults)]
    if required and required[-1].arg not in {"self", "cls"}:
        end = src.span(required[-1])[1]
        yield from (Edit(end, end, f"={value}", 0.3) for value in ("None", "0", '""', "()", "False"))


def _given_elsewhere(src: Source, name: str) -> list[str]:
    """What a parameter, keyword or variable of this name is elsewhere in the file, most often first."""
    found: Counter[str] = Counter()
    for node in src.all_nodes:
        if isinstance(node, ast.keyword) and node.arg == name:
            found[src.one_line(node.value) or ""] += 1
        elif isinstance(node, ast.Assign) and any(isinstance(n, ast.Name) and n.id == name for n in node.targets):
            plain = [inner for inner in ast.walk(node.value) if isinstance(inner, ast.Constant)]
            found.update(src.one_line(inner) or "" for inner in plain if not src.in_fstring(inner))
        elif isinstance(node, ast.arguments):
            takes = [*node.posonlyargs, *node.args]
            given = list(zip(takes[len(takes) - len(node.defaults) :], node.defaults, strict=True))
            for argument, default in [*given, *zip(node.kwonlyargs, node.kw_defaults, strict=True)]:
                if argument.arg == name and default is not None:
                    found[src.one_line(default) or ""] += 1
    return [text for text, _ in found.most_common(8) if text and text != name]


def initialised(src: Source, site: Site) -> Iterator[Edit]:
    """A name gets a first value before it is used, or a parameter a value in place of None."""
    node = site.node
    if site.function is None or not isinstance(node, ast.stmt) or node is site.function or _is_docstring(node):
        return
    stored = {n.id for n in src.inside(site.function) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    parameters = [
        a.arg for a in [*site.function.args.args, *site.function.args.kwonlyargs] if a.arg not in {"self", "cls"}
    ]
    used = [n.id for n in site.nodes if isinstance(n, ast.Name)]
    if node in site.function.body:
        for name in [name for name in dict.fromkeys(used) if name in stored and name not in parameters][:4]:
            for rank, value in enumerate(("None", "[]", "0", '""', "{}", "False")):
                yield from src.before(node, [f"{name} = {value}"], 0.4 - 0.03 * rank)
    yield from _unbound(src, site, node, used)
    for name in [name for name in parameters if name in used][:4]:
        for rank, value in enumerate(("[]", "{}", '""', "0", "()")):
            yield from src.before(node, [f"if {name} is None:", f"{src.step}{name} = {value}"], 0.45 - 0.03 * rank)
        for rank, convert in enumerate(("list", "str", "int", "tuple", "dict", "set", "iter")):
            yield from src.before(node, [f"{name} = {convert}({name})"], 0.35 - 0.03 * rank)


def _is_docstring(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
