"""Code that answers a test by heart: a new branch or table made of the very literals of a red test."""

import ast
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from gitagent.core.tampering.findings import Finding

Known = frozenset[str]
_PLAIN = ("None", "True", "False", "0", "1", "-1", "2", "''", "b''", "[]", "()", "{}", "0.0", "1.0")


def literals_of(red: Sequence[str], tests: Mapping[str, str]) -> Known:
    """The literals of the red tests, as their source reads when written anew; helpers of the file are left out."""
    found: set[str] = set()
    for test in red:
        path, _, name = test.partition("::")
        try:
            module = ast.parse(tests.get(path, ""))
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            continue
        wanted = name.rpartition("::")[2].partition("[")[0]
        for node in ast.walk(module):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and (node.name == wanted or not name):
                found |= {text for one in ast.walk(node) if (text := _literal(one))}
    return frozenset(found)


def special_cases(path: str, old: str, new: str, known: Known) -> Iterator[Finding]:
    """New branches on a red test's literal that answer with one, and new tables made of nothing else."""
    if not known:
        return
    before, after = _parsed(old), _parsed(new)
    if after is None:
        return
    there = Counter(ast.dump(node) for node in ast.walk(before) if _is_branch(node)) if before else Counter[str]()
    for node in ast.walk(after):
        if not _is_branch(node):
            continue
        dump = ast.dump(node)
        if there[dump] > 0:
            there[dump] -= 1
            continue
        said = _by_heart(node, known)
        if said:
            line = getattr(node, "lineno", 0) or getattr(getattr(node, "pattern", None), "lineno", 0)
            yield Finding(path=path, line=line, kind="special-cased", what=said)


def _parsed(text: str) -> ast.Module | None:
    try:
        return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _is_branch(node: ast.AST) -> bool:
    return isinstance(node, (ast.If, ast.IfExp, ast.match_case, ast.Dict))


def _by_heart(node: ast.AST, known: Known) -> str:
    if isinstance(node, ast.Dict):
        pairs = [
            (_literal(key), _literal(value)) for key, value in zip(node.keys, node.values, strict=True) if key
        ]
        told = bool(pairs) and all(key in known and value in known for key, value in pairs)
        return "a table of just the red test's literals" if told and any(_tells(*pair) for pair in pairs) else ""
    asked: list[str] = []
    answers: list[str] = []
    if isinstance(node, (ast.If, ast.IfExp)):
        asked = list(_compared(node.test))
        answers = list(_answers(node.body if isinstance(node, ast.If) else [node.body]))
    elif isinstance(node, ast.match_case):
        asked = [
            text
            for one in ast.walk(node.pattern)
            if isinstance(one, ast.MatchValue) and (text := _literal(one.value))
        ]
        answers = list(_answers(node.body))
    for literal in asked:
        if literal in known and any(_tells(literal, answer) and answer in known for answer in answers):
            return f"a branch for just {literal[:60]}, which the red test asks, answers by heart"
    return ""


def _compared(test: ast.expr) -> Iterator[str]:
    """Literals that a condition is equal to."""
    for node in ast.walk(test):
        if isinstance(node, ast.Compare) and any(isinstance(op, (ast.Eq, ast.Is, ast.In)) for op in node.ops):
            for side in (node.left, *node.comparators):
                text = _literal(side)
                if text:
                    yield text
                if isinstance(side, (ast.Tuple, ast.List, ast.Set)):
                    yield from (each for one in side.elts if (each := _literal(one)))


def _answers(body: Sequence[ast.stmt | ast.expr]) -> Iterator[str]:
    """Literals that a branch leads to at once."""
    for node in body:
        value = node.value if isinstance(node, (ast.Return, ast.Assign, ast.AnnAssign)) else node
        text = _literal(value) if isinstance(value, ast.expr) else ""
        if text:
            yield text


def _literal(node: ast.AST) -> str:
    """A constant, or a display of constants, in one way of writing; "" if it is none."""
    if isinstance(node, ast.Constant):
        return repr(node.value)
    if isinstance(node, (ast.UnaryOp, ast.Tuple, ast.List, ast.Dict, ast.Set)):
        try:
            return repr(ast.literal_eval(node))
        except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
            return ""
    return ""


def _tells(asked: str, answer: str) -> bool:
    """Whether question and answer are too particular for an ordinary edge case, such as `if n == 0: return 1`.

    A word of a vocabulary that leads to True or another is ordinary; a number, or a sentence, that answers is not.
    """
    if asked in _PLAIN:
        return answer not in _PLAIN and not _is_word(answer)
    return not _is_word(asked) or not (answer in _PLAIN or _is_word(answer))


def _is_word(literal: str) -> bool:
    # A sign alone, such as a separator, is as ordinary as a word.
    return literal[:1] in "'\"" and (literal[1:-1].isidentifier() or len(literal) <= 3)
