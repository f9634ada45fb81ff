"""Names: the wrong variable, the wrong attribute, the wrong thing returned or passed."""

import ast
import builtins
from collections import Counter
from collections.abc import Iterator

from gitagent.core.templates.source import Edit, Site, Source, alike

_BUILTINS = frozenset(dir(builtins))
_MOST = 14


def variables(src: Source, site: Site) -> Iterator[Edit]:
    """Another name in scope stands in for the one used."""
    scope = src.scope(site)
    uses = src.uses(site)
    for node in site.nodes:
        if not isinstance(node, ast.Name) or not isinstance(node.ctx, ast.Load):
            continue
        parent = src.parents[node]
        called = isinstance(parent, ast.Call) and parent.func is node
        if called or node.id in src.imported or (node.id in _BUILTINS and node.id not in scope):
            continue
        others = [
            (nearness * (0.3 * alike(node.id, name) + 0.7 * uses.fit(node.id, name, parent)), name)
            for name, nearness in scope.items()
            if name != node.id
            and (nearness >= 0.5 or (name.isupper() == node.id.isupper() and name not in src.imported))
        ]
        for weight, name in sorted(others, key=lambda item: (-item[0], item[1]))[:_MOST]:
            yield src.replace(node, name, weight)
        if site.owner is not None and node.id in src.own_attributes(site.owner):
            target = getattr(site.node, "targets", [None])[0]
            if target is None or src.segment(target) != f"self.{node.id}":
                yield src.replace(node, f"self.{node.id}", 0.6)
        if node.id == "cls" or (node.id == "self" and isinstance(parent, ast.Attribute)):
            other = "self" if node.id == "cls" else "type(self)"
            yield src.replace(node, other, 0.3)


def attributes(src: Source, site: Site) -> Iterator[Edit]:
    """Another attribute the file uses stands in, or the attribute of an object instead of the object."""
    own = src.own_attributes(site.owner)
    scope = src.scope(site)
    for node in site.nodes:
        if not isinstance(node, ast.Attribute) or not isinstance(node.ctx, ast.Load):
            continue
        parent = src.parents[node]
        called = isinstance(parent, ast.Call) and parent.func is node
        on_self = isinstance(node.value, ast.Name) and node.value.id == "self"
        if not called:
            known = own if on_self else src.attributes
            end = src.span(node)[1]
            for name in src.lacking.get(node.attr, ()):
                yield Edit(end - len(node.attr), end, name, 0.5 + 0.5 * alike(node.attr, name))
            for rank, name in enumerate(_closest(node.attr, known)):
                yield Edit(end - len(node.attr), end, name, (0.9 if on_self else 0.5) - 0.06 * rank)
            if scope.get(node.attr, 0.0) >= 1.0:
                yield src.replace(node, node.attr, 0.8)
            if isinstance(node.value, (ast.Attribute, ast.Call)) or not on_self:
                yield src.replace(node, src.segment(node.value), 0.25)
    for node in site.nodes:
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and scope.get(node.id, 0.0) >= 1.0:
            used = _attributes_of(src, node.id)
            if not isinstance(src.parents[node], ast.Attribute):
                yield from (src.replace(node, f"{node.id}.{name}", 0.35) for name in used[:4])


def _closest(own: str, known: Counter[str]) -> list[str]:
    likely = sorted(known, key=lambda name: (-alike(own, name), -known[name], name))
    return [name for name in likely if name != own][:_MOST]


def _attributes_of(src: Source, name: str) -> list[str]:
    counted: dict[str, int] = {}
    for node in src.all_nodes:
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == name:
            around = src.parents[node]
            if not (isinstance(around, ast.Call) and around.func is node):
                counted[node.attr] = counted.get(node.attr, 0) + 1
    return sorted(counted, key=lambda attr: (-counted[attr], attr))


def returns(src: Source, site: Site) -> Iterator[Edit]:
    """Something else in scope, or another of the function's results, is returned."""
    node = site.node
    if not isinstance(node, ast.Return) or site.function is None:
        return
    own = src.segment(node.value) if node.value is not None else ""
    options: dict[str, float] = {}
    for inner in src.inside(site.function):
        if isinstance(inner, ast.Return) and inner is not node and inner.value is not None:
            text = src.one_line(inner.value)
            if text:
                options.setdefault(text, 0.9)
    for name in src.near(site):
        options.setdefault(name, 0.8)
    for rank, text in enumerate(("None", "True", "False", "[]", '""', "0", "{}", "()", "NotImplemented")):
        options.setdefault(text, 0.6 - 0.05 * rank)
    for rank, text in enumerate(calls_of_near(src, site)):
        options.setdefault(text, 0.5 / (1.0 + 0.05 * rank))
    if node.value is not None:
        start, end = src.span(node.value)
        if not isinstance(node.value, (ast.Tuple, ast.Constant, ast.Name)):
            options.setdefault(f"bool({own})", 0.2)
        if isinstance(node.value, ast.Call) and isinstance(node.value.func, ast.Attribute):
            options.setdefault(src.segment(node.value.func.value), 0.5)
        for text, weight in options.items():
            if text != own:
                yield Edit(start, end, text, weight)
    else:
        end = src.span(node)[1]
        yield from (Edit(end, end, f" {text}", weight) for text, weight in options.items())


def calls_of_near(src: Source, site: Site) -> list[str]:
    """Calls, with a name in scope, of the names that the function calls or takes for callable; a bounded number."""
    assert site.function is not None
    near = [name for name in src.near(site) if name not in {"self", "cls"}]
    called: dict[str, None] = {}
    for inner in src.inside(site.function):
        if isinstance(inner, ast.Call) and isinstance(inner.func, ast.Name):
            if inner.func.id == "callable":
                called.update((n.id, None) for n in inner.args if isinstance(n, ast.Name))
            elif inner.func.id not in {"super", "isinstance", "print", "hasattr", "len", "getattr"}:
                called.setdefault(inner.func.id)
        elif isinstance(inner, ast.Call) and isinstance(inner.func, ast.Attribute):
            text = src.one_line(inner.func)
            if text and len(text) <= 30:
                called.setdefault(text)
    return [f"{one}({name})" for one in list(called)[:12] for name in near[:6] if name != one][:60]


def donors(src: Source, site: Site) -> Iterator[Edit]:
    """A value, argument or operand becomes an expression used elsewhere in the function or class."""
    around = site.function or site.owner
    if around is None:
        return
    pool: dict[str, float] = {}
    for node in src.inside(around):
        if (
            isinstance(node, (ast.Call, ast.Attribute, ast.Subscript, ast.BinOp))
            and src.parents.get(node) is not None
        ):
            if isinstance(getattr(node, "ctx", None), (ast.Store, ast.Del)) or src.in_fstring(node):
                continue
            text = src.one_line(node)
            parent = src.parents[node]
            if text and len(text) <= 50 and not (isinstance(parent, ast.Call) and parent.func is node):
                pool[text] = pool.get(text, 0.0) + 1.0
    for node in site.nodes:
        parent = src.parents[node]
        if not isinstance(node, (ast.Name, ast.Attribute, ast.Call, ast.Subscript, ast.Constant)):
            continue
        if isinstance(getattr(node, "ctx", None), (ast.Store, ast.Del)):
            continue
        held = isinstance(
            parent, (ast.Assign, ast.AugAssign, ast.keyword, ast.BinOp, ast.Compare, ast.Return, ast.For)
        )
        if held or (isinstance(parent, ast.Call) and node is not parent.func):
            own = src.segment(node)
            likely = sorted(pool, key=lambda text: (-alike(own, text) - 0.05 * min(pool[text], 4), text))
            for rank, text in enumerate([text for text in likely if text != own][:_MOST]):
                yield src.replace(node, text, 0.7 - 0.06 * rank)
