"""A failing test for a request that has none: where it goes, when it counts, and the one a traceback gives outright."""

import ast
import re
from collections.abc import Callable, Collection, Sequence
from itertools import pairwise
from posixpath import dirname

from gitagent.records import TestResult

_FRAME = re.compile(
    r'^[ \t>]*File "([^"\n]{1,400})", line (\d{1,7}), in (\S{1,200})\n[ \t>]*(\S[^\n]{0,400})', re.MULTILINE
)
_RAISED = re.compile(r"^[ \t>]*((?:\w+\.)*[A-Z]\w*(?:Error|Exception|Interrupt|Exit|Warning))\b", re.MULTILINE)
_NAMED = re.compile(r"\b((?:\w+\.)*[A-Z]\w*(?:Error|Exception))\b")
_UNFIT = (
    "ImportError",
    "ModuleNotFoundError",
    "SyntaxError",
    "IndentationError",
    "TabError",
    "NameError",
    "fixture",
)
_LONGEST_CALL = 300


def place_of(paths: Collection[str], slug: str, key: str) -> str:
    """Where a new test file goes: where most of the tests are, by a name that nobody has."""
    tests = [path for path in paths if re.search(r"(^|/)test_[^/]*\.py$", path)]
    folders = [dirname(path) for path in tests]
    folder = max(sorted(set(folders)), key=folders.count) if folders else ""
    if not folders and any(path.startswith("tests/") for path in paths):
        folder = "tests"
    words = re.sub(r"\W+", "_", slug).strip("_").lower() or "request"
    for name in (f"test_{words}.py", f"test_{words}_{key}.py"):
        path = f"{folder}/{name}" if folder else name
        if path not in paths:
            return path
    return f"{folder}/test_gitagent_{key}.py" if folder else f"test_gitagent_{key}.py"


def exceptions_named(text: str) -> frozenset[str]:
    """The exceptions a request speaks of, by their last name."""
    return frozenset(name.rpartition(".")[2] for name in _NAMED.findall(text))


def unfit(results: Sequence[TestResult], path: str, text: str, is_test: Callable[[str], bool]) -> str:
    """Why these results of a new test's file show no failure as the request `text` states it, "" if they do.

    A test that cannot be loaded, or that fails by its own fault, shows nothing; an assertion does, an exception that
    the request names, or where it names none, one raised below the project's own code.
    """
    own = [one for one in results if one.id == path or one.id.startswith(f"{path}::")]
    failing = [one for one in own if one.outcome in ("failed", "error")]
    if not own:
        return "no test was found in it"
    if not failing:
        return "it passes on base, so it does not show what is wrong"
    named = exceptions_named(text)
    for one in failing:
        raised = _raised(one.message)
        if one.outcome == "error" or any(word in (raised or one.message) for word in _UNFIT):
            return f"it fails by its own fault: {_last(one.message)}"
        if raised in ("AssertionError", "Failed") or raised in named:
            continue
        if named and raised:
            return f"it fails with {raised}, the request speaks of {', '.join(sorted(named)[:3])}"
        deepest = re.findall(r"^([^\s:]+\.py):\d+:", one.message, re.MULTILINE)
        if not raised or not deepest or is_test(deepest[-1]):
            return f"it fails in the test itself, not in what it tests: {_last(one.message)}"
    return ""


def _raised(message: str) -> str:
    """The class of the exception a failure ended with, without its module; "" if the message has none."""
    told = re.findall(
        r"^E\s+(?:\w+\.)*([A-Z]\w*(?:Error|Exception|Exit|Interrupt)|Failed)\b", message, re.MULTILINE
    )
    if told:
        return str(told[-1])
    return "AssertionError" if re.search(r"^E\s+assert\b", message, re.MULTILINE) else ""


def _last(message: str) -> str:
    lines = [line for line in message.split("\n") if line.startswith("E ")] or message.strip().split("\n")
    return " ".join(lines[-1].removeprefix("E ").split())[:200] or "without a word"


def from_traceback(text: str, paths: Collection[str], read: Callable[[str], str | None]) -> str | None:
    """A test that repeats the call of a traceback in the request, None unless that is certain.

    Certain is: a function of a module of the project, called with literals alone, and the exception it ended with.
    The test says that the call does not raise it.
    """
    frames = [found.groups() for found in _FRAME.finditer(text)]
    raised = _RAISED.findall(text[text.rfind("File ") :]) if frames else []
    if not raised:
        return None
    for (_, _, _, line), (file, _, name, _) in pairwise(frames):
        path = _path_of(file, paths)
        call = _call(line, name)
        if path and call and _has_function(read(path) or "", name):
            module = path.removeprefix("src/").removesuffix(".py").removesuffix("/__init__").replace("/", ".")
            error = raised[-1].rpartition(".")[2]
            words = re.sub(r"(?<!^)(?=[A-Z])", "_", error).lower()
            return f"from {module} import {name}\n\n\ndef test_{name}_raises_no_{words}():\n    {call}\n"
    return None


def _path_of(file: str, paths: Collection[str]) -> str:
    """The project's file that a traceback means, "" if it could be none or several."""
    parts = file.replace("\\", "/")
    found = [path for path in paths if path.endswith(".py") and (parts == path or parts.endswith(f"/{path}"))]
    longest = max(found, key=len, default="")
    return longest if all(longest.endswith(path) for path in found) else ""


def _call(line: str, name: str) -> str:
    """The one call of the function on a line, its arguments literals; "" if there is none like that."""
    try:
        tree = ast.parse(line.strip())
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ""
    calls = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and (node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")) == name
    ]
    if len(calls) != 1 or any(word.arg is None for word in calls[0].keywords):
        return ""
    values = [*calls[0].args, *(word.value for word in calls[0].keywords)]
    try:
        for value in values:
            ast.literal_eval(value)
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        return ""
    told = ast.unparse(ast.Call(func=ast.Name(id=name), args=calls[0].args, keywords=calls[0].keywords))
    return told if len(told) <= _LONGEST_CALL and "\n" not in told else ""


def _has_function(text: str, name: str) -> bool:
    try:
        module = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    functions = [node for node in module.body if isinstance(node, ast.FunctionDef) and node.name == name]
    yields = any(isinstance(node, (ast.Yield, ast.YieldFrom)) for one in functions for node in ast.walk(one))
    return len(functions) == 1 and not yields


def instruction(text: str, path: str) -> str:
    """What a model is asked, to get one test that shows the fault."""
    return (
        f"Write {path}: one short pytest function that fails now because of what is reported below, and will pass once "
        "it is mended. Import only what exists in the project. Assert the right result; do not skip, mock what is "
        f"tested, or test anything else. Reported:\n\n{text[:4000].rstrip()}"
    )
