"""A grammar of exactly those diffs that apply to one excerpt, and the reader of what it lets through.

The answer is a path through the excerpt's lines: a hunk header names a start line, context and removed
lines are the file's own next lines, added lines are free text. Since a grammar cannot count, an answer's
hunk headers carry start lines only (`@@ -41 +41 @@`); `replay` turns an answer into a diff with right counts.
"""

from gitagent.core.grammar.asking import numbered
from gitagent.core.grammar.closing import Urge, fits, urged
from gitagent.core.grammar.emitters import as_gbnf, as_lark, as_vllm
from gitagent.core.grammar.ground import Bounds, Ground, ground_for
from gitagent.core.grammar.replay import Edit, replay
from gitagent.core.grammar.rules import Grammar, grammar_of

__all__ = [
    "Bounds",
    "Edit",
    "Grammar",
    "Ground",
    "Urge",
    "as_gbnf",
    "as_lark",
    "as_vllm",
    "fits",
    "grammar_of",
    "ground_for",
    "numbered",
    "replay",
    "urged",
]
