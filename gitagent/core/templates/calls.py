"""Calls: the wrong function, missing or wrong arguments, `dict.get`, `await`, `super`."""

import ast
from collections import Counter
from collections.abc import Iterator

from gitagent.core.templates.source import Edit, Site, Source, alike, walked_names

_KIN: tuple[tuple[str, ...], ...] = tuple(
    tuple(group.split())
    for group in [
        "\n    startswith endswith ",
        " append extend add ",
        " append appendleft insert ",
        " pop popleft ",
        " strip lstrip rstrip\n    ",
        " lower upper casefold title capitalize ",
        " min max ",
        " any all ",
        " sorted list reversed ",
        " items values keys\n    ",
        " find rfind index ",
        " split rsplit splitlines partition ",
        " partition rpartition ",
        " match search fullmatch\n    ",
        " isdigit isdecimal isnumeric isalnum isalpha ",
        " ljust rjust center zfill ",
        " floor ceil trunc ",
        " floor round int\n    ",
        " remove discard ",
        " union intersection ",
        " update setdefault ",
        " isinstance issubclass ",
        " getattr hasattr ",
        " str repr\n    ",
        " encode decode ",
        " findall finditer ",
        " sub subn ",
        " group groups ",
        " read readline readlines ",
        " len sum ",
        " filter map\n    ",
        " dict OrderedDict ",
        " set frozenset list ",
        " type isinstance ",
        " abs int ",
        " replace translate ",
        " next iter\n    ",
        " copy deepcopy ",
        " now utcnow ",
        " localtime gmtime ",
        " total_seconds seconds ",
        " join joinpath ",
        " isfile exists isdir\n    ",
        " warn warning ",
        " quote quote_plus ",
        " dumps dump ",
        " loads load ",
        " debug info\n    ",
    ]
)
# Of these, one is as usual as its kin whether the file uses it elsewhere or not.
_USUAL_KIN = """
    startswith endswith append extend strip lstrip rstrip lower upper min max any all items values keys find rfind
    match search fullmatch split rsplit sorted list floor ceil round"""
_ALIKE = frozenset(_USUAL_KIN.split())
_POLISH = ("strip()", "lower()", "copy()", "rstrip()", "lstrip()", "items()", "encode()", "decode()", "upper()")
_MOST_CALLS = 40


def wrong_call(src: Source, site: Site) -> Iterator[Edit]:
    """A function or method gives way to its kin, or to one the file calls with as many arguments."""
    for node in site.nodes:
        if not isinstance(node, ast.Call):
            continue
        count = len(node.args) + len(node.keywords)
        func = node.func
        if isinstance(func, ast.Name):
            start, end, own = *src.span(func), func.id
        elif isinstance(func, ast.Attribute):
            end, own = src.span(func)[1], func.attr
            start = end - len(own)
        else:
            continue
        for kin in _KIN:
            if own in kin:
                for other in kin:
                    if other != own:
                        yield Edit(start, end, other, 0.9 if other in src.attributes or other in _ALIKE else 0.5)
        for name in src.lacking.get(own, ()):
            yield Edit(start, end, name, 0.5 + 0.5 * alike(own, name))
        seen: Counter[str] = Counter()
        for call in src.calls:
            if type(call.func) is type(func) and len(call.args) + len(call.keywords) == count:
                seen[_called(call)] += 1
        if (
            isinstance(func, ast.Attribute)
            and isinstance(func.value, ast.Name)
            and func.value.id in {"self", "cls"}
        ):
            seen.update(_methods(site.owner))
        likely = sorted(seen, key=lambda name: (-alike(own, name) - 0.02 * min(seen[name], 10), name))
        others = [name for name in likely if name not in {own, "super", "print"}][:_MOST_CALLS]
        yield from (Edit(start, end, other, max(0.5 - 0.05 * rank, 0.15)) for rank, other in enumerate(others))


def _methods(owner: ast.ClassDef | None) -> list[str]:
    if owner is None:
        return []
    return [node.name for node in owner.body if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]


def unwrapped(src: Source, site: Site) -> Iterator[Edit]:
    """A method call is added to a value or taken from it: `x` becomes `x.strip()`, `x.lower()` becomes `x`."""
    zero = Counter(
        f"{call.func.attr}()"
        for call in src.calls
        if isinstance(call.func, ast.Attribute) and not call.args and not call.keywords
    )
    options = list(dict.fromkeys([*(name for name, _ in zero.most_common(6)), *_POLISH]))
    for node in site.nodes:
        parent = src.parents[node]
        if isinstance(node, ast.Call) and not isinstance(parent, ast.Expr):
            inner = getattr(node.func, "value", None)
            if inner is not None and not isinstance(inner, ast.Constant):
                yield src.replace(node, src.segment(inner), 0.6 if not node.args else 0.4)
        if _polishable(node, parent):
            text = src.segment(node)
            for rank, name in enumerate(options):
                yield src.replace(node, f"{text}.{name}", 0.5 - 0.03 * rank)


def _polishable(node: ast.AST, parent: ast.AST) -> bool:
    if not isinstance(node, (ast.Name, ast.Attribute, ast.Call, ast.Subscript)):
        return False
    if isinstance(getattr(node, "ctx", None), (ast.Store, ast.Del)) or isinstance(parent, ast.Starred):
        return False
    if isinstance(parent, (ast.Attribute, ast.Subscript)) and isinstance(parent.ctx, ast.Store):
        return False
    if isinstance(parent, ast.Call) and parent.func is node:
        return False
    return isinstance(parent, (ast.expr, ast.Return, ast.Assign, ast.For, ast.comprehension, ast.keyword, ast.If))


def arguments(src: Source, site: Site) -> Iterator[Edit]:
    """A positional argument is dropped, added from the scope, or unpacked."""
    near = src.near(site)
    for node in site.nodes:
        if not isinstance(node, ast.Call):
            continue
        items = [*node.args, *node.keywords]
        for at, item in enumerate(items):
            a, b = src.span(item)
            if at + 1 < len(items):
                yield Edit(a, src.span(items[at + 1])[0], "", 0.4)
            elif at > 0:
                yield Edit(src.span(items[at - 1])[1], b, "", 0.6)
            elif not isinstance(item, ast.GeneratorExp):
                yield Edit(a, b, "", 0.4)
            if isinstance(item, (ast.Name, ast.Attribute)):
                yield Edit(a, a, "*", 0.2)
            elif isinstance(item, ast.Starred):
                yield src.replace(item, src.segment(item.value), 0.4)
        used = {src.segment(item) for item in node.args}
        if node.args and not isinstance(node.args[-1], (ast.GeneratorExp, ast.Starred)):
            at = src.span(node.args[-1])[1]
            wanted = [*near[:10], *_sums(src, site), "None", "True", "False", "1", "0"]
            for rank, name in enumerate([name for name in wanted if name not in used]):
                yield Edit(at, at, f", {name}", 0.45 - 0.015 * min(rank, 20))
        elif not items:
            at = src.span(node)[1] - 1
            yield from (Edit(at, at, name, 0.4) for name in near[:6])
        yield from _filled(src, node, near)


def _filled(src: Source, node: ast.Call, near: list[str]) -> Iterator[Edit]:
    """Arguments that other calls of the same function have, or its definition here asks for, put where they stand."""
    name, have = _called(node), [src.segment(item) for item in node.args]
    if not name or any(isinstance(item, ast.Starred) for item in node.args):
        return
    wanted: dict[tuple[int, str], float] = {}
    for call in src.calls:
        if call is not node and len(call.args) > len(have) and _called(call) == name:
            for at, item in enumerate(call.args):
                text = src.one_line(item)
                if text and text not in have and at <= len(have) and walked_names(item) <= {*near, *src.imported}:
                    wanted.setdefault((at, text), 0.6)
    for function in src.functions.get(name, ()):
        own = [argument.arg for argument in function.args.args if argument.arg not in {"self", "cls"}]
        for at, parameter in enumerate(own[: len(have) + 1]):
            if parameter in near and parameter not in have:
                wanted.setdefault((at, parameter), 0.6)
    for at in range(len(have)):
        for rank, local in enumerate(local for local in near[:10] if local not in have):
            wanted.setdefault((at, local), 0.3 - 0.015 * rank)
    for (at, text), weight in wanted.items():
        if at < len(have):
            start = src.span(node.args[at])[0]
            yield Edit(start, start, f"{text}, ", weight)
        elif have and not isinstance(node.args[-1], ast.GeneratorExp):
            end = src.span(node.args[-1])[1]
            yield Edit(end, end, f", {text}", weight)


def _sums(src: Source, site: Site) -> list[str]:
    """Sums, indices and attributes that the function works with, nearest to the statement first."""
    if site.function is None:
        return []
    near = set(src.near(site))
    found: dict[str, int] = {}
    for node in src.inside(site.function):
        if (
            isinstance(node, ast.BinOp)
            and isinstance(node.left, (ast.Name, ast.Call))
            and walked_names(node) & near
        ):
            text = src.one_line(node)
            if text and not src.in_fstring(node):
                found.setdefault(text, abs(node.lineno - site.node.lineno))
    return sorted(found, key=lambda text: (found[text], text))[:6]


def keywords(src: Source, site: Site) -> Iterator[Edit]:
    """A keyword argument is added as the file passes it elsewhere, renamed, or given another value."""
    near = src.near(site)
    for node in site.nodes:
        if not isinstance(node, ast.Call):
            continue
        if len(node.args) == 1 and isinstance(node.args[0], ast.GeneratorExp) and not node.keywords:
            continue
        have = {keyword.arg for keyword in node.keywords}
        known = _keywords_of(src, node)
        at = src.span(node)[1] - 1
        lead = ", " if node.args or node.keywords else ""
        if src.text[:at].rstrip().endswith(","):
            lead = " "
        for (name, value), times in known.most_common(12):
            if name not in have and not any(keyword.arg is None for keyword in node.keywords):
                yield Edit(at, at, f"{lead}{name}={value}", min(0.9, 0.5 + 0.1 * times))
        for local in near:
            if local not in have and any(local == key for key, _ in known):
                yield Edit(at, at, f"{lead}{local}={local}", 0.9)
        for keyword in node.keywords:
            for name, value in known:
                if keyword.arg == name and value != src.segment(keyword.value):
                    yield src.replace(keyword.value, value, 0.6)
                elif keyword.arg and name not in have:
                    yield src.replace(keyword, f"{name}={src.segment(keyword.value)}", 0.5)


def _keywords_of(src: Source, node: ast.Call) -> Counter[tuple[str, str]]:
    """Keyword arguments that other calls of the same function pass, and those its definition here takes."""
    name = _called(node)
    found: Counter[tuple[str, str]] = Counter()
    for call in src.calls:
        if call is not node and _called(call) == name:
            for keyword in call.keywords:
                value = src.one_line(keyword.value)
                if keyword.arg and value:
                    found[keyword.arg, value] += 1
    for function in src.functions.get(name, ()):
        for argument in [*function.args.args[len(node.args) :], *function.args.kwonlyargs]:
            if argument.arg not in {"self", "cls"}:
                for value in ("True", "False", "None"):
                    found[argument.arg, value] += 1
                found[argument.arg, argument.arg] += 1
    for usual in _USUAL.get(name, ()):
        found[usual] += 1
    return found


_USUAL: dict[str, tuple[tuple[str, str], ...]] = {
    "sorted": (("reverse", "True"), ("key", "str")),
    "sort": (("reverse", "True"), ("key", "str")),
    "open": (("encoding", '"utf-8"'), ("newline", '""')),
    "max": (("default", "0"), ("default", "None")),
    "min": (("default", "0"), ("default", "None")),
    "zip": (("strict", "True"),),
    "enumerate": (("start", "1"),),
    "split": (("maxsplit", "1"),),
    "rsplit": (("maxsplit", "1"),),
    "splitlines": (("keepends", "True"),),
    "dumps": (("sort_keys", "True"), ("default", "str")),
    "makedirs": (("exist_ok", "True"),),
    "mkdir": (("exist_ok", "True"), ("parents", "True")),
    "encode": (("errors", '"replace"'),),
    "decode": (("errors", '"replace"'),),
    "warn": (("stacklevel", "2"),),
    "sum": (("start", "0"),),
}


def _called(node: ast.Call) -> str:
    if isinstance(node.func, ast.Name):
        return node.func.id
    return node.func.attr if isinstance(node.func, ast.Attribute) else ""


def lookups(src: Source, site: Site) -> Iterator[Edit]:
    """`d[k]` becomes `d.get(k)` with or without a default, `getattr` and `next` get one, `pop` too."""
    near = src.near(site)
    for node in site.nodes:
        if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load):
            if not isinstance(node.slice, (ast.Slice, ast.Tuple)):
                base, key = src.grouped(node.value), src.segment(node.slice)
                yield src.replace(node, f"{base}.get({key})", 0.9)
                for rank, default in enumerate(("None", "[]", '""', "0", "{}", "False", *near[:4])):
                    if default != "None" and default != key:
                        yield src.replace(node, f"{base}.get({key}, {default})", 0.7 - 0.05 * rank)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load):
            if not isinstance(src.parents[node], (ast.Attribute, ast.Call)):
                yield src.replace(node, f'getattr({src.segment(node.value)}, "{node.attr}", None)', 0.3)
        elif isinstance(node, ast.Call) and not node.keywords:
            wants = {"get": 1, "pop": 1, "getattr": 2, "next": 1}.get(_called(node))
            if wants is not None and len(node.args) == wants and not isinstance(node.args[-1], ast.GeneratorExp):
                at = src.span(node.args[-1])[1]
                for rank, default in enumerate(("None", "False", "0", '""', "[]", "{}", *near[:4])):
                    yield Edit(at, at, f", {default}", 0.8 - 0.06 * rank)
                if _called(node) == "get" and isinstance(node.func, ast.Attribute):
                    yield src.replace(node, f"{src.segment(node.func.value)}[{src.segment(node.args[0])}]", 0.4)
            elif _called(node) == "get" and len(node.args) == 2:
                for rank, default in enumerate(("None", "False", "0", '""', "[]", "{}", *near[:4])):
                    if src.segment(node.args[1]) != default:
                        yield src.replace(node.args[1], default, 0.6 - 0.05 * rank)


def awaits(src: Source, site: Site) -> Iterator[Edit]:
    """An `await` or a `yield from` is added or taken away."""
    for node in site.nodes:
        if isinstance(node, ast.Await):
            yield src.replace(node, src.segment(node.value), 0.6)
        elif isinstance(node, ast.Call) and isinstance(site.function, ast.AsyncFunctionDef):
            if not isinstance(src.parents[node], ast.Await):
                alone = isinstance(src.parents[node], (ast.Expr, ast.Assign, ast.Return))
                text = f"await {src.segment(node)}"
                yield src.replace(node, text if alone else f"({text})", 1.0)
        elif isinstance(node, ast.YieldFrom):
            yield src.replace(node, f"yield {src.segment(node.value)}", 0.5)
        elif isinstance(node, ast.Yield) and node.value is not None:
            yield src.replace(node, f"yield from {src.segment(node.value)}", 0.7)


def supers(src: Source, site: Site) -> Iterator[Edit]:
    """A method calls the inherited one: first, last, or instead of what it does itself."""
    function = site.function
    node = site.node
    if function is None or site.owner is None or node not in function.body or not isinstance(node, ast.stmt):
        return
    own = [argument.arg for argument in function.args.args[1:]]
    call = f"super().{function.name}({', '.join(own)})"
    if not site.owner.bases or "super()" in src.segment(function):
        return
    if node is function.body[0]:
        yield from src.before(node, [call], 0.9 if function.name == "__init__" else 0.5)
        if own and function.name == "__init__":
            yield from src.before(node, ["super().__init__()"], 0.7)
    if node is function.body[-1]:
        if isinstance(node, ast.Return) and node.value is not None:
            yield src.replace(node.value, call, 0.5)
        elif not isinstance(node, (ast.Return, ast.Raise)):
            yield from src.after(node, [call if function.name == "__init__" else f"return {call}"], 0.4)
