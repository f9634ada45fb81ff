"""Reads a source file once: what it defines, calls, imports and says, by tree-sitter's grammars."""

from functools import cache
from typing import Any

from gitagent.adapters import treesitter
from gitagent.core.retrieval.facts import Facts, facts

BINARY_BYTES = 8_000
MOST_BYTES = 1_000_000
MOST_PIECES = 5_000
"""A text that falls into more pieces than this without being correct is none of its language; asking costs a square."""

_JAVASCRIPT = """
(call_expression function: [(identifier) @called (member_expression property: (property_identifier) @called)])
(new_expression constructor: (identifier) @called)
(import_statement source: (string) @imported)
(comment) @said
"""
_C = """
(call_expression function: [(identifier) @called (field_expression field: (field_identifier) @called)])
(preproc_include path: (_) @imported)
(comment) @said
"""
_QUERIES = {
    "python": """
(call function: [(identifier) @called (attribute attribute: (identifier) @called)])
(import_statement name: (_) @imported)
(import_from_statement) @imported
(comment) @said
(module . (expression_statement (string) @said))
(block . (expression_statement (string) @said))
""",
    "javascript": _JAVASCRIPT,
    "typescript": _JAVASCRIPT,
    "tsx": _JAVASCRIPT,
    "go": """
(call_expression function: [(identifier) @called (selector_expression field: (field_identifier) @called)])
(import_spec path: (_) @imported)
(comment) @said
""",
    "rust": """
(call_expression function: [
  (identifier) @called
  (field_expression field: (field_identifier) @called)
  (scoped_identifier name: (identifier) @called)])
(macro_invocation macro: (identifier) @called)
(use_declaration argument: (_) @imported)
(line_comment) @said
(block_comment) @said
""",
    "java": """
(method_invocation name: (identifier) @called)
(object_creation_expression type: (type_identifier) @called)
(import_declaration (_) @imported)
(line_comment) @said
(block_comment) @said
""",
    "c": _C,
    "cpp": _C + "(call_expression function: (qualified_identifier name: (identifier) @called))",
    "ruby": """
(call method: [(identifier) (constant)] @called)
((call method: (identifier) @_how arguments: (argument_list (string) @imported)) (#match? @_how "^require"))
(comment) @said
""",
}


def extracted(path: str, source: bytes) -> Facts | None:
    """The facts of a file; None for a binary one. Languages without a grammar are words alone."""
    if b"\0" in source[:BINARY_BYTES]:
        return None
    text = source[:MOST_BYTES].decode("utf-8", "replace")
    language = treesitter.language_of(path)
    if not language or len(source) > treesitter.SOURCE_BYTES:
        return facts(text)
    root = treesitter.tree_of(language, source).root_node
    if root.has_error and root.child_count > MOST_PIECES:
        return facts(text)
    captures: dict[str, list[Any]] = _captured(language, root)
    return facts(
        text,
        treesitter.definitions(language, source),
        _texts(source, captures.get("called", ())),
        (_module(one) for one in _texts(source, captures.get("imported", ()))),
        _texts(source, captures.get("said", ())),
    )


def _captured(language: str, root: Any) -> Any:
    from tree_sitter import QueryCursor

    return QueryCursor(_query(language)).captures(root)


@cache
def _query(language: str) -> Any:
    from tree_sitter import Query

    return Query(treesitter.grammar(language), _QUERIES[language])


def _texts(source: bytes, nodes: Any) -> list[str]:
    """The texts of nodes in the file's order; captures come in that of addresses in memory."""
    places = sorted((node.start_byte, node.end_byte) for node in nodes)
    return [source[first:end].decode("utf-8", "replace") for first, end in places]


def _module(written: str) -> str:
    """An import as written, on one line and without quotes."""
    return " ".join(written.split()).strip("\"'<>`")[:300]
