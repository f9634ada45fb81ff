"""Whether a change reaches for the machinery of tests and processes, judged before any of it is run.

A test run can be fooled from inside: whoever shares its interpreter can change its reports. What a change adds is
therefore looked at. `refusal` names what may not be committed unless its file did so before; it reads syntax
trees, so a comment or a docstring is no offence. `is_suspicious` is quick and wary, and only decides that a
candidate is tried in a process of its own.
"""

import ast
import re
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping

_MODULES = frozenset(
    {
        "pytest",
        "_pytest",
        "pluggy",
        "unittest",
        "nose",
        "doctest",
        "gc",
        "ctypes",
        "_ctypes",
        "cffi",
        "signal",
        "_signal",
        "atexit",
        "faulthandler",
        "builtins",
        "importlib",
        "imp",
        "runpy",
        "code",
        "codeop",
        "inspect",
        "sitecustomize",
        "usercustomize",
        "conftest",
        "coverage",
        "xdist",
    }
)
_NAMES = frozenset(
    {"__import__", "exec", "eval", "compile", "globals", "breakpoint", "__builtins__", "__loader__", "__spec__"}
)
_MEMBERS = {
    "os": frozenset(
        {
            "_exit",
            "abort",
            "kill",
            "killpg",
            "fork",
            "forkpty",
            "putenv",
            "environ",
            "environb",
            "getppid",
            "setsid",
            "setpgid",
            "execl",
            "execle",
            "execlp",
            "execv",
            "execve",
            "execvp",
            "execvpe",
            "posix_spawn",
            "posix_spawnp",
            "dup2",
        }
    ),
    "sys": frozenset(
        {
            "exit",
            "modules",
            "meta_path",
            "path_hooks",
            "path_importer_cache",
            "settrace",
            "setprofile",
            "addaudithook",
            "_getframe",
            "_current_frames",
            "excepthook",
            "unraisablehook",
            "argv",
            "orig_argv",
            "setrecursionlimit",
            "monitoring",
        }
    ),
    "time": frozenset({"clock_settime", "clock_settime_ns"}),
    "threading": frozenset({"settrace", "setprofile", "excepthook"}),
}
_ATTRIBUTES = frozenset(
    {
        "__subclasses__",
        "__globals__",
        "__builtins__",
        "__code__",
        "__closure__",
        "__getattribute__",
        "f_back",
        "f_globals",
        "f_locals",
        "f_builtins",
        "gi_frame",
        "cr_frame",
        "ag_frame",
        "tb_frame",
        "__loader__",
        "__spec__",
        "__import__",
    }
)
_WORDS = re.compile(
    r"/proc/|pytest|unittest|junit|conftest|gitagent|PYTHON[A-Z]{3}|\.pth\b|\.pyc\b", re.IGNORECASE
)
_WARY = re.compile(
    r"\b(import|exec|eval|compile|open|globals|locals|vars|setattr|delattr|getattr|breakpoint|input|exit|quit|os|sys"
    r"|gc|ctypes|signal|atexit|threading|inspect|builtins|pytest|unittest|subprocess|socket|multiprocessing)\b|__\w"
)


def is_suspicious(texts: Mapping[str, str | None], originals: Mapping[str, str | None]) -> bool:
    """Whether a change adds a word with which it could reach beyond its own function."""
    for path, text in texts.items():
        before = set((originals.get(path) or "").split("\n"))
        if text is not None and any(_WARY.search(line) for line in text.split("\n") if line not in before):
            return True
    return False


def refusal(
    texts: Mapping[str, str | None],
    originals: Callable[[str], str | None],
    *,
    is_test: Callable[[str], bool] = lambda path: False,
) -> str:
    """Why a change may not be made, with the file and line, or "".

    Files of tests may use what tests use; whether they are weakened is another question. A file that no Python
    of ours can read is let pass: the tests will not load it either, or the project is for a later Python.
    """
    for path, text in texts.items():
        if text is None or not path.endswith((".py", ".pyi", ".pth")) or is_test(path):
            continue
        if path.endswith(".pth") or path.rpartition("/")[2] in ("sitecustomize.py", "usercustomize.py"):
            return f"{path} would run whenever Python starts"
        original = originals(path)
        if not is_suspicious({path: text}, {path: original}) and not _WORDS.search(text):
            continue
        before = Counter(reach for reach, _ in _reaches(original or ""))
        for reach, line in _reaches(text):
            if not before[reach]:
                return f"{path}:{line} reaches for {reach}, which the file did not do before"
    return ""


def _reaches(text: str) -> list[tuple[str, int]]:
    """What a text uses of the machinery, with the line, in order."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(text.encode("utf-8", "surrogateescape"))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []
    # `import os as o` and `from os import _exit as e` are followed, other ways to rename a module are not:
    # a module that is passed around under a name of its own has been imported somewhere first.
    modules = {name: name for name in _MEMBERS}
    documentation = set[int]()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules |= {alias.asname: alias.name for alias in node.names if alias.asname}
        elif isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)) and node.body:
            first = node.body[0]
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                documentation.add(id(first.value))
    found = [
        (reach, getattr(node, "lineno", 1))
        for node in ast.walk(tree)
        if id(node) not in documentation
        for reach in _of(node, modules)
    ]
    return sorted(found, key=lambda one: one[1])


def _of(node: ast.AST, modules: Mapping[str, str]) -> Iterator[str]:
    match node:
        case ast.Import(names=names):
            yield from (alias.name for alias in names if alias.name.partition(".")[0] in _MODULES)
        case ast.ImportFrom(module=str(module), names=names, level=0):
            top = module.partition(".")[0]
            if top in _MODULES:
                yield module
            yield from (f"{module}.{alias.name}" for alias in names if alias.name in _MEMBERS.get(module, ()))
        case ast.Name(id=name) if name in _NAMES:
            yield name
        case ast.Attribute(value=ast.Name(id=name), attr=attribute) if attribute in _MEMBERS.get(
            modules.get(name, ""), ()
        ):
            yield f"{modules[name]}.{attribute}"
        case ast.Attribute(attr=attribute) if attribute in _ATTRIBUTES:
            yield attribute
        case ast.Call(
            func=ast.Name(id="getattr" | "setattr" | "delattr" | "vars"), args=[ast.Name(id=name), *_]
        ) if name in modules:
            yield f"the inside of {modules[name]}"
        case ast.Constant(value=str(value)) if found := _WORDS.search(value):
            yield f'"{found[0]}"'
