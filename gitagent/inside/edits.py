"""Candidates as edits of the texts before them, and edits that change one function alone.

A part of the scripts sent into a sandbox: standard library only, Python 3.8 up.
"""

from __future__ import annotations
import __future__

import ast
import bisect
import types
import warnings
from typing import Any, Optional, Union

# The whole new text, None for no file, or how many characters stay at each end and what goes between them.
Edit = Union[str, None, "list[Any]"]

FUTURE = 0
for _name in __future__.all_feature_names:
    FUTURE |= getattr(__future__, _name).compiler_flag


def edited(original: Optional[str], edit: Edit) -> Optional[str]:
    """The text an edit leads to."""
    if not isinstance(edit, list):
        return edit
    text = original or ""
    before, after, between = int(edit[0]), int(edit[1]), str(edit[2])
    return text[:before] + between + text[len(text) - after :]


class Function:
    """One function of a file: where it lies, and the classes it lies in, outermost first.

    `start` and `end` are characters, whole lines both; `first_line` is that of its first decorator.
    """

    def __init__(self, node: Any, classes: tuple[str, ...], start: int, end: int, first_line: int) -> None:
        self.name = node.name
        self.classes = classes
        self.start, self.end, self.first_line = start, end, first_line
        self.indent = node.col_offset
        self.shell = _shell(node)


def _shell(node: Any) -> str:
    """All of a function that is evaluated when it is defined."""
    parts = [type(node).__name__, node.name, ast.dump(node.args), repr(getattr(node, "type_params", None) or "")]
    parts += [ast.dump(part) for part in [*node.decorator_list, *([node.returns] if node.returns else [])]]
    return "\n".join(parts)


class Functions:
    """The functions of one text that lie in no other function."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._starts = [0]
        while True:
            at = text.find("\n", self._starts[-1])
            if at < 0:
                break
            self._starts.append(at + 1)
        self.found: list[Function] = []
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self._walk(ast.parse(text).body, ())
        self.found.sort(key=lambda function: function.start)
        self._begin = [function.start for function in self.found]

    def _walk(self, body: list[Any], classes: tuple[str, ...]) -> None:
        for node in body:
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
                last = node.end_lineno or node.lineno
                end = self._starts[last] if last < len(self._starts) else len(self.text)
                self.found.append(Function(node, classes, self._starts[first - 1], end, first))
            elif isinstance(node, ast.ClassDef):
                self._walk(node.body, (*classes, node.name))
            elif isinstance(node, (ast.If, ast.Try, ast.With)):
                for part in ("body", "orelse", "finalbody"):
                    self._walk(getattr(node, part, []), classes)
                for handler in getattr(node, "handlers", []):
                    self._walk(handler.body, classes)

    def holding(self, before: int, after: int) -> Function | None:
        """The function outside which nothing changes, if there is one."""
        place = bisect.bisect_right(self._begin, before) - 1
        if place < 0:
            return None
        function = self.found[place]
        return function if len(self.text) - after <= function.end else None

    def compiled(self, function: Function, edit: list[Any], filename: str, flags: int) -> types.CodeType | None:
        """The function's code after an edit; None if more than its body is changed.

        Raises SyntaxError or ValueError if it does not compile by itself.
        """
        before, after, between = edit
        if "\r" in between or "\f" in between:
            return None
        segment = self.text[function.start : before] + between + self.text[len(self.text) - after : function.end]
        # Within classes of the same names, so that private names are mangled as they are in the file.
        heads = [" " * depth + f"class {name}:\n" for depth, name in enumerate(function.classes)]
        if function.indent and len(function.classes) > function.indent:
            return None
        if function.indent and not heads:
            heads = ["if 1:\n"]
        source = "\n" * (function.first_line - 1 - len(heads)) + "".join(heads) + segment
        tree = ast.parse(source, filename)
        body: Any = tree.body
        for _ in heads:
            if len(body) != 1:
                return None
            body = body[0].body
        if len(body) != 1 or getattr(body[0], "name", None) != function.name or _shell(body[0]) != function.shell:
            return None
        code: types.CodeType = compile(tree, filename, "exec", flags & FUTURE, dont_inherit=True)
        for name in (*function.classes, function.name):
            inner = [one for one in code.co_consts if isinstance(one, types.CodeType) and one.co_name == name]
            if len(inner) != 1:
                return None
            code = inner[0]
        return code
