"""Reads a source file once: what it defines, calls, imports and says, by tree-sitter's grammars."""

from functools import cache
from typing import Any

from gitagent.adapters import treesitter
from gitagent.core.retrieval.facts import Facts, facts
from gitagent.core.secrets import holds_credentials

BINARY_BYTES = 8_000
MOST_BYTES = 1_000_000
MOST_PIECES = 5_000
"""A text that falls into more pieces than this without being correct is none of its language; asking costs a square."""

_MEMBER = "(member_expression property: [(property_identifier) (private_property_identifier)] @called)"
_JAVASCRIPT = f"""
(call_expression function: [(identifier) @called {_MEMBER}])
(call_expression function: (await_expression [(identifier) @called {_MEMBER}]))
(new_expression constructor: [(identifier) @called {_MEMBER}])
(import_statement source: (string) @imported)
(export_statement source: (string) @imported)
((call_expression function: [(identifier) (import)] @_how arguments: (arguments . (string) @imported))
  (#any-of? @_how "require" "import"))
(comment) @said
"""
_TYPESCRIPT = f"""
{_JAVASCRIPT}
(import_require_clause source: (string) @imported)
"""
_JSX = """
((jsx_opening_element name: (identifier) @called) (#match? @called "^[A-Z]"))
((jsx_self_closing_element name: (identifier) @called) (#match? @called "^[A-Z]"))
"""
_C = """
(call_expression function: [(identifier) @called (field_expression field: (field_identifier) @called)])
(preproc_include path: (_) @imported)
(comment) @said
"""
_QUERIES = {
    "python": """
(call function: [(identifier) @called (attribute attribute: (identifier) @called)])
(decorator [(identifier) @called (attribute attribute: (identifier) @called)])
(import_statement name: (_) @imported)
(import_from_statement) @imported
(comment) @said
(module . (expression_statement (string) @said))
(block . (expression_statement (string) @said))
""",
    "javascript": _JAVASCRIPT + _JSX,
    "typescript": _TYPESCRIPT,
    "tsx": _TYPESCRIPT + _JSX,
    "go": """
(call_expression function: [(identifier) @called (selector_expression field: (field_identifier) @called)])
(composite_literal type: [
  (type_identifier) @called
  (qualified_type name: (type_identifier) @called)
  (generic_type type: [(type_identifier) @called (qualified_type name: (type_identifier) @called)])])
(type_conversion_expression type: (generic_type type: [
  (type_identifier) @called
  (qualified_type name: (type_identifier) @called)]))
(import_spec path: (_) @imported)
(comment) @said
""",
    "rust": """
(call_expression function: [
  (identifier) @called
  (field_expression field: (field_identifier) @called)
  (scoped_identifier name: (identifier) @called)
  (generic_function function: [
    (identifier) @called
    (field_expression field: (field_identifier) @called)
    (scoped_identifier name: (identifier) @called)])])
(macro_invocation macro: [(identifier) @called (scoped_identifier name: (identifier) @called)])
(token_tree (identifier) @called . (token_tree))
(struct_expression name: [(type_identifier) @called (scoped_type_identifier name: (type_identifier) @called)])
(use_declaration argument: (_) @imported)
(extern_crate_declaration name: (_) @imported)
(mod_item name: (_) @imported !body)
(line_comment) @said
(block_comment) @said
""",
    "java": """
(method_invocation name: (identifier) @called)
(object_creation_expression type: [
  (type_identifier) @called
  (scoped_type_identifier (type_identifier) @called .)
  (generic_type [(type_identifier) @called (scoped_type_identifier (type_identifier) @called .)])])
(method_reference (_) (identifier) @called)
(import_declaration [(identifier) (scoped_identifier)] @imported)
(line_comment) @said
(block_comment) @said
""",
    "c": _C,
    "cpp": f"""
{_C}
(call_expression function: [
  (template_function name: (identifier) @called)
  (field_expression field: (template_method name: (field_identifier) @called))
  (qualified_identifier name: [(identifier) @called (template_function name: (identifier) @called)])
  (qualified_identifier name: (qualified_identifier name: [
    (identifier) @called (template_function name: (identifier) @called)]))])
(new_expression type: [
  (type_identifier) @called
  (template_type name: (type_identifier) @called)
  (qualified_identifier name: [(type_identifier) @called (template_type name: (type_identifier) @called)])])
""",
    "ruby": """
(call method: [(identifier) (constant)] @called)
((call receiver: [(constant) @called (scope_resolution name: (constant) @called)] method: (identifier) @_how)
  (#eq? @_how "new"))
((call method: (identifier) @_how arguments: (argument_list (string) @imported))
  (#any-of? @_how "require" "require_relative" "load" "autoload"))
(comment) @said
""",
}


def extracted(path: str, source: bytes) -> Facts | None:
    """The facts of a file; None for a binary one, or one that credentials are kept in.

    Languages without a grammar are words alone.
    """
    if b"\0" in source[:BINARY_BYTES] or holds_credentials(path):
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
        [one for one in treesitter.definitions(language, source) if one.name not in treesitter.UNNAMED],
        _texts(source, captures.get("called", ())),
        (_module(one) for one in _texts(source, captures.get("imported", ()))),
        _texts(source, captures.get("said", ())),
    )


def _captured(language: str, root: Any) -> Any:
    return treesitter.cursor(_query(language)).captures(root)


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
