"""Values: constants, strings, regular expressions, conversions, copies."""

import ast
import re
import warnings
from collections.abc import Iterator

from gitagent.core.templates.source import Edit, Site, Source

_LITERAL = re.compile(r"""([A-Za-z]*)('''|\"""|'|")(.*)\2""", re.DOTALL)
_CONVERSIONS = (
    "str",
    "list",
    "tuple",
    "int",
    "set",
    "float",
    "dict",
    "bool",
    "bytes",
    "repr",
    "len",
    "sorted",
    "abs",
)
_SEPARATORS: dict[str, tuple[str, ...]] = {
    ",": (", ", ";"),
    ", ": (",",),
    "-": ("_", ""),
    "_": ("-", ""),
    " ": ("", "_", "\\n"),
    "": (" ",),
    ":": (": ", "="),
    ": ": (":",),
    "/": ("\\\\", ""),
    ".": ("", ","),
    ";": (",", "; "),
    "\\n": ("", "\\r\\n", "\\n\\n"),
    "\\t": (" ",),
}
_REGEX = re.compile(r"\[[^\]\s]+\][+*?{]|\\[dwsbDWS]|\(\?|\)[+*?{]|\.[*+]|^\^|\w\$$")
_PATTERN_EDITS: tuple[tuple[str, str, float], ...] = (
    (r"\{(\d+)\}", r"{1,\1}", 0.8),
    (r"\{(\d+)\}", r"{0,\1}", 0.6),
    (r"\{(\d+)\}", r"{\1,}", 0.7),
    (r"\{(\d+)\}", "+", 0.5),
    (r"\{(\d+),(\d+)\}", r"{\1,}", 0.5),
    (r"\[([^\]\^]+)\]", r"[\1-]", 0.5),
    (r"\[([^\]\^]+)\]", r"[\1_]", 0.4),
    (r"\[([^\]\^]+)\]", r"[\1.]", 0.4),
    (r"\[([^\]\^]+)\]", r"[\1 ]", 0.4),
    (r"\\w(?![^\[]*\])", r"[\\w-]", 0.5),
    (r"\\w(?![^\[]*\])", r"[\\w.]", 0.4),
    (r"\\s(?![+*])", r"\\s*", 0.5),
    (r"(?<!\\)\+(?!\?)", "*", 0.8),
    (r"(?<=[\])\w])\*(?!\?)", "+", 0.8),
    (r"(?<=[+*}])(?![?+])", "?", 0.5),
    (r"(?<=[+*?}])\?", "", 0.5),
    (r"^(?!\^)", "^", 0.6),
    (r"^\^", "", 0.6),
    (r"(?<![$\\])$", "$", 0.6),
    (r"\$$", "", 0.6),
    (r"\$$", r"\\Z", 0.5),
    (r"a-z(?!A-Z)", "a-zA-Z", 0.6),
    (r"A-Z(?!a-z)", "A-Za-z", 0.5),
    (r"0-9(?!a)", "0-9a-zA-Z", 0.3),
    (r"\\d(?!\+)", r"\\d+", 0.6),
    (r"\\d", r"\\w", 0.4),
    (r"\\w(?!\+)", r"\\w+", 0.4),
    (r"(?<!\\)\.(?![*+?])", r"\\.", 0.5),
    (r"(?<=\))(?![?*+{])", "?", 0.6),
    (r"(?<=\])(?![?*+{])", "?", 0.4),
    (r"(?<=\])(?![?*+{])", "+", 0.4),
    (r"(?<=\))[?]", "", 0.4),
    (r"(?<!\\)\((?!\?)", "(?:", 0.3),
    (r"\[\^?(?!\\?-)", r"\g<0>\\-", 0.3),
    (r"(?<=\w)$", r"\\b", 0.3),
)


def constants(src: Source, site: Site) -> Iterator[Edit]:
    """A number moves by one or becomes 0, 1, -1 or another of the function; True, False and None change."""
    for node in site.nodes:
        if not isinstance(node, ast.Constant) or isinstance(src.parents[node], ast.JoinedStr):
            continue
        value = node.value
        if value is True or value is False:
            yield src.replace(node, str(not value), 1.0)
            yield src.replace(node, "None", 0.4)
        elif value is None:
            for other, weight in (
                ("False", 0.5),
                ("True", 0.5),
                ('""', 0.4),
                ("0", 0.4),
                ("[]", 0.3),
                ("()", 0.3),
                ("{}", 0.3),
            ):
                yield src.replace(node, other, weight)
        elif isinstance(value, int):
            yield from _integers(src, site, node, value)
        elif isinstance(value, float):
            for number, weight in (
                (-value, 0.4),
                (value * 10, 0.4),
                (value / 10, 0.4),
                (value * 2, 0.3),
                (0.0, 0.3),
            ):
                yield src.replace(node, repr(number), weight)
    for node in site.nodes:
        if isinstance(node, (ast.List, ast.Tuple, ast.Dict)) and not getattr(
            node, "elts", getattr(node, "keys", ())
        ):
            for other in ("[]", "()", "{}", "None", '""'):
                if other != src.segment(node):
                    yield src.replace(node, other, 0.3)


def _is_index(node: ast.Constant, parent: ast.AST) -> bool:
    if isinstance(parent, ast.Call) and isinstance(parent.func, ast.Attribute):
        return parent.func.attr == "pop" and parent.args == [node]
    return isinstance(parent, ast.Subscript) and parent.slice is node


def _is_idle(node: ast.Constant, parent: ast.AST, number: int) -> bool:
    """Whether the number would do nothing there (`x - 0`, `x * 1`), or is better said by the operator (`x - -1`)."""
    if not isinstance(parent, ast.BinOp) or parent.right is not node:
        return False
    if isinstance(parent.op, (ast.Add, ast.Sub)):
        return number <= 0
    return number == 1 and not isinstance(parent.op, ast.Mod)


def _integers(src: Source, site: Site, node: ast.Constant, value: int) -> Iterator[Edit]:
    parent = src.parents[node]
    # Of an index, the other end is likelier meant than the second place.
    last = (1.05 if _is_index(node, parent) else 1.0) if value == 0 else 0.5
    for number, weight in ((-1, last), (value + 1, 1.0), (value - 1, 1.0), (0, 0.7), (1, 0.7), (-value, 0.4)):
        if number != value and not (number == -1 and weight == 1.0) and not _is_idle(node, parent, number):
            yield src.replace(node, str(number), weight)
    inside = site.function or src.tree
    seen = {n.value for n in src.inside(inside) if isinstance(n, ast.Constant) and type(n.value) is int}
    for number in sorted(seen - {value, value + 1, value - 1, 0, 1, -1})[:8]:
        yield src.replace(node, str(number), 0.4)
    yield src.replace(node, "None", 0.3)
    if value > 9:
        for number in (value * 2, value // 2, value * 10, value // 10):
            yield src.replace(node, str(number), 0.2)


def strings(src: Source, site: Site) -> Iterator[Edit]:
    """A string changes case, is stripped or spaced, loses a character, or becomes another of the file."""
    for node in site.nodes:
        if isinstance(node, ast.JoinedStr):
            yield from _formats(src, node)
        if not _is_text(src, node):
            continue
        found = _LITERAL.fullmatch(src.segment(node))
        if not found:
            continue
        prefix, quote, body = found.groups()

        def put(
            new: str, weight: float, node: ast.AST = node, lead: str = prefix + quote, end: str = quote
        ) -> Edit:
            return src.replace(node, lead + new + end, weight)

        yield from (put(other, 0.8) for other in _SEPARATORS.get(body, ()))
        for other in dict.fromkeys(
            (body.strip(), body.lower(), body.upper(), body.capitalize(), body.rstrip(".!:"))
        ):
            if other != body:
                yield put(other, 0.6)
        for old, new in (
            ("%s", "%r"),
            ("{}", "{!r}"),
            ("%d", "%s"),
            ("{}", "{0}"),
            ("-", "_"),
            ("_", "-"),
            ("  ", " "),
        ):
            if old in body:
                yield put(body.replace(old, new), 0.4)
        yield from (
            put(other, 0.35) for other in (body + " ", " " + body, body + "\\n", body + "s") if len(body) > 1
        )
        if 2 <= len(body) <= 12 and "\\" not in body:
            yield from (put(body[:at] + body[at + 1 :], 0.3) for at in range(len(body)))
        if not prefix:
            likely = [
                text for text in src.strings if text != src.segment(node) and _LITERAL.fullmatch(text) is not None
            ]
            likely.sort(key=lambda text: (-len(set(text) & set(body)) / (len(set(text) | set(body)) or 1), text))
            yield from (src.replace(node, text, 0.5 - 0.03 * n) for n, text in enumerate(likely[:8]))


def _formats(src: Source, node: ast.JoinedStr) -> Iterator[Edit]:
    start, end = src.span(node)
    for found in re.finditer(r"\{([A-Za-z_][\w.]*)\}", src.text[start:end]):
        yield Edit(start + found.start(), start + found.end(), "{" + found[1] + "!r}", 0.3)
        yield Edit(start + found.start(), start + found.end(), "{" + found[1] + "!s}", 0.2)


def _is_text(src: Source, node: ast.AST) -> bool:
    if not isinstance(node, ast.Constant) or not isinstance(node.value, (str, bytes)):
        return False
    parent = src.parents[node]
    return not isinstance(parent, (ast.Expr, ast.JoinedStr))


def regexes(src: Source, site: Site) -> Iterator[Edit]:
    """A quantifier, anchor, class or flag of a regular expression changes."""
    for node in site.nodes:
        if not isinstance(node, ast.Constant) or not isinstance(node.value, (str, bytes)):
            continue
        found = _LITERAL.fullmatch(src.segment(node))
        call = src.parents[node]
        where = src.segment(call.func) if isinstance(call, ast.Call) else ""
        compiled = re.match(r"(re|regex)\.", where) is not None
        if not found or not (compiled or {"re", "regex"} & src.imported) or not _REGEX.search(found[3]):
            continue
        body, start = found[3], src.span(node)[0] + len(found[1]) + len(found[2])
        for old, new, weight in _PATTERN_EDITS:
            for place in re.finditer(old, body):
                try:
                    changed = place.expand(new)
                    _check(body[: place.start()] + changed + body[place.end() :])
                except re.error:
                    continue
                yield Edit(start + place.start(), start + place.end(), changed, weight)
        if compiled and isinstance(call, ast.Call):
            end = src.span(call)[1] - 1
            if not re.search(r"\bre\.[A-Z]+\b", src.segment(call)):
                for flag, weight in (
                    ("IGNORECASE", 0.5),
                    ("DOTALL", 0.5),
                    ("MULTILINE", 0.5),
                    ("ASCII", 0.3),
                    ("UNICODE", 0.2),
                ):
                    yield Edit(
                        end, end, f", flags=re.{flag}" if not where.endswith("compile") else f", re.{flag}", weight
                    )


def _check(pattern: str) -> None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            re.compile(pattern)
    except (OverflowError, RecursionError) as error:
        raise re.error(str(error)) from error


def conversions(src: Source, site: Site) -> Iterator[Edit]:
    """A value gains or loses a conversion: `str(x)`, `int(x)`, or a one-argument function of the file."""
    own = _converters(src)
    for node in _values(src, site):
        if (
            isinstance(node, ast.Call)
            and len(node.args) == 1
            and not node.keywords
            and isinstance(node.func, ast.Name)
        ) and not isinstance(node.args[0], (ast.Starred, ast.GeneratorExp)):
            yield src.replace(node, src.grouped(node.args[0]), 0.7 if node.func.id in _CONVERSIONS else 0.5)
            for other in _CONVERSIONS[:7]:
                if node.func.id in _CONVERSIONS and other != node.func.id:
                    yield src.replace(node.func, other, 0.4)
            continue
        if isinstance(node, (ast.Name, ast.Attribute, ast.Subscript, ast.Call, ast.BinOp, ast.BoolOp)):
            text = src.segment(node)
            for rank, name in enumerate(_CONVERSIONS):
                yield src.replace(node, f"{name}({text})", 0.6 - 0.035 * rank)
            for rank, name in enumerate(own[:6]):
                yield src.replace(node, f"{name}({text})", 0.45 - 0.03 * rank)


def _converters(src: Source) -> list[str]:
    counted: dict[str, int] = {}
    for call in src.calls:
        if isinstance(call.func, ast.Name) and len(call.args) == 1 and not call.keywords:
            name = call.func.id
            if name not in _CONVERSIONS and name not in {"super", "isinstance", "print", "type"}:
                counted[name] = counted.get(name, 0) + 1
    return sorted(counted, key=lambda name: (-counted[name], name))


def _values(src: Source, site: Site) -> Iterator[ast.expr]:
    for node in site.nodes:
        parent = src.parents[node]
        if not isinstance(node, ast.expr) or isinstance(getattr(node, "ctx", None), (ast.Store, ast.Del)):
            continue
        if (isinstance(parent, ast.Call) and node is not parent.func) or isinstance(
            parent, (ast.Return, ast.keyword)
        ):
            if not isinstance(node, (ast.Starred, ast.GeneratorExp)):
                yield node
        elif (
            isinstance(
                parent, (ast.Assign, ast.AugAssign, ast.BinOp, ast.Compare, ast.For, ast.comprehension, ast.Yield)
            )
            or (isinstance(parent, ast.Subscript) and node is parent.slice)
            or isinstance(parent, (ast.Tuple, ast.IfExp))
        ):
            yield node


def copies(src: Source, site: Site) -> Iterator[Edit]:
    """A collection is copied instead of shared, or walked over in a copy."""
    for node in _values(src, site):
        parent = src.parents[node]
        if not isinstance(node, (ast.Name, ast.Attribute, ast.Call)):
            continue
        if isinstance(node, ast.Call) and not isinstance(parent, (ast.For, ast.comprehension)):
            continue
        weight = 1.0 if isinstance(parent, (ast.For, ast.comprehension)) else 0.7
        if isinstance(
            parent, (ast.Assign, ast.Return, ast.For, ast.Call, ast.keyword, ast.comprehension, ast.Tuple)
        ):
            text = src.segment(node)
            yield src.replace(node, f"list({text})", weight)
            if not isinstance(node, ast.Call):
                yield src.replace(node, f"{text}.copy()", weight * 0.9)
                yield src.replace(node, f"dict({text})", weight * 0.7)
                yield src.replace(node, f"{text}[:]", weight * 0.5)
                if "copy" in src.imported:
                    yield src.replace(node, f"copy.copy({text})", weight * 0.6)
                    yield src.replace(node, f"copy.deepcopy({text})", weight * 0.6)
                elif "deepcopy" in src.imported:
                    yield src.replace(node, f"deepcopy({text})", weight * 0.6)
