"""What a source text defines, in many languages, by tree-sitter's grammars.

A grammar is loaded when its first file is read. Broken code is read as far as it goes; sizes are bounded.
"""

import os
import re
from collections.abc import Iterator
from functools import cache, lru_cache
from importlib import import_module
from typing import Any

from gitagent.records import Definition, Span

SOURCE_BYTES = 1_000_000
"""Larger files are made by machines; nobody finds his way in them by their functions."""

MOST_DEFINITIONS = 20_000
_SIGNATURE_CHARACTERS = 300
_NAME_CHARACTERS = 200
_DEPTH = 1_000

_GRAMMARS = {
    "python": ("tree_sitter_python", "language"),
    "javascript": ("tree_sitter_javascript", "language"),
    "typescript": ("tree_sitter_typescript", "language_typescript"),
    "tsx": ("tree_sitter_typescript", "language_tsx"),
    "go": ("tree_sitter_go", "language"),
    "rust": ("tree_sitter_rust", "language"),
    "java": ("tree_sitter_java", "language"),
    "c": ("tree_sitter_c", "language"),
    "cpp": ("tree_sitter_cpp", "language"),
    "ruby": ("tree_sitter_ruby", "language"),
}
LANGUAGES = tuple(_GRAMMARS)
_ENDINGS = {
    ending: language
    for language, endings in (
        ("python", "py pyi pyw"),
        ("javascript", "js mjs cjs jsx"),
        ("typescript", "ts mts cts"),
        ("tsx", "tsx"),
        ("go", "go"),
        ("rust", "rs"),
        ("java", "java"),
        # A header of C reads as C++ too, but not the other way round.
        ("c", "c"),
        ("cpp", "h cc cpp cxx c++ hh hpp hxx h++ ipp inl"),
        ("ruby", "rb rake gemspec ru"),
    )
    for ending in endings.split()
}
_FILES = {"Rakefile": "ruby", "Gemfile": "ruby"}

_FUNCTION_VALUE = "[(arrow_function) (function_expression) (generator_function)]"
_JAVASCRIPT = f"""
(function_declaration name: (_) @name) @function
(generator_function_declaration name: (_) @name) @function
(class_declaration name: (_) @name) @class
(method_definition name: (_) @name) @method
(variable_declarator name: (identifier) @name value: {_FUNCTION_VALUE}) @function
(variable_declarator name: (identifier) @name value: (class)) @class
(export_statement "default" @name value: {_FUNCTION_VALUE}) @function
(export_statement "default" @name value: (class)) @class
(arguments (function_expression name: (_) @name) @function)
(program (lexical_declaration (variable_declarator name: (identifier) @name) @constant))
(program (variable_declaration (variable_declarator name: (identifier) @name) @constant))
(program (export_statement (lexical_declaration (variable_declarator name: (identifier) @name) @constant)))
(assignment_expression left: (_) @name right: {_FUNCTION_VALUE}) @function
(assignment_expression left: (_) @name right: (class)) @class
(pair key: (property_identifier) @name value: {_FUNCTION_VALUE}) @method
"""
_TYPESCRIPT = f"""
{_JAVASCRIPT}
(public_field_definition name: (_) @name value: {_FUNCTION_VALUE}) @method
(abstract_class_declaration name: (_) @name) @class
(interface_declaration name: (_) @name) @interface
(type_alias_declaration name: (_) @name) @type
(enum_declaration name: (_) @name) @enum
(internal_module name: (_) @name) @module
(module name: (_) @name) @module
(function_signature name: (_) @name) @function
(abstract_method_signature name: (_) @name) @method
(method_signature name: (_) @name) @method
"""
_C = """
(function_definition declarator: (_) @name) @function
(struct_specifier name: (_) @name body: (_)) @struct
(union_specifier name: (_) @name body: (_)) @union
(enum_specifier name: (_) @name body: (_)) @enum
(type_definition declarator: (_) @name) @type
(translation_unit (declaration declarator: (init_declarator declarator: (_) @name)) @constant)
(preproc_def name: (_) @name) @constant
(preproc_function_def name: (_) @name) @macro
"""
_QUERIES = {
    "python": """
(function_definition name: (_) @name) @function
(class_definition name: (_) @name) @class
(module (expression_statement (assignment left: (identifier) @name) @constant))
(module (expression_statement (assignment left: (pattern_list (identifier) @name)) @constant))
(type_alias_statement left: (type (identifier) @name)) @type
""",
    "javascript": _JAVASCRIPT + f"\n(field_definition property: (_) @name value: {_FUNCTION_VALUE}) @method",
    "typescript": _TYPESCRIPT,
    "tsx": _TYPESCRIPT,
    "go": """
(function_declaration name: (_) @name) @function
(method_declaration receiver: (_) @parent name: (_) @name) @method
(type_spec name: (_) @name type: (struct_type)) @struct
(type_spec name: (_) @name type: (interface_type)) @interface
(type_spec name: (_) @name) @type
(method_elem name: (_) @name) @method
(type_alias name: (_) @name) @type
(source_file (const_declaration (const_spec name: (_) @name) @constant))
(source_file (var_declaration (var_spec name: (_) @name) @constant))
(source_file (var_declaration (var_spec_list (var_spec name: (_) @name) @constant)))
""",
    "rust": """
(function_item name: (_) @name) @function
(function_signature_item name: (_) @name) @function
(struct_item name: (_) @name) @struct
(union_item name: (_) @name) @union
(enum_item name: (_) @name) @enum
(trait_item name: (_) @name) @trait
(impl_item type: (_) @name) @impl
(mod_item name: (_) @name body: (_)) @module
(type_item name: (_) @name) @type
(macro_definition name: (_) @name) @macro
(const_item name: (_) @name) @constant
(static_item name: (_) @name) @constant
""",
    "java": """
(class_declaration name: (_) @name) @class
(interface_declaration name: (_) @name) @interface
(annotation_type_declaration name: (_) @name) @interface
(enum_declaration name: (_) @name) @enum
(record_declaration name: (_) @name) @class
(method_declaration name: (_) @name) @method
(constructor_declaration name: (_) @name) @method
(compact_constructor_declaration name: (_) @name) @method
(field_declaration declarator: (variable_declarator name: (_) @name)) @field
""",
    "c": _C,
    "cpp": f"""
{_C}
(class_specifier name: (_) @name body: (_)) @class
(namespace_definition name: (_) @name) @module
(concept_definition name: (_) @name) @type
(alias_declaration name: (_) @name) @type
""",
    "ruby": """
(method name: (_) @name) @method
(singleton_method object: [(constant) (scope_resolution)] @parent name: (_) @name) @method
(singleton_method name: (_) @name) @method
(class name: (_) @name) @class
(module name: (_) @name) @module
(assignment left: (constant) @name) @constant
""",
}
_FIELD = "(field_declaration name: (_) @name) @field"
_DECLARED = "(field_declaration declarator: (_) @name) @field"
_PUBLIC_FIELD = """
(public_field_definition name: (_) @name) @field
(required_parameter (accessibility_modifier) pattern: (identifier) @name) @field
"""
_FIELDS = {
    "javascript": "(field_definition property: (_) @name) @field",
    "typescript": _PUBLIC_FIELD,
    "tsx": _PUBLIC_FIELD,
    "go": _FIELD,
    "rust": _FIELD,
    "java": "(field_declaration declarator: (variable_declarator name: (_) @name)) @field",
    "c": _DECLARED,
    "cpp": _DECLARED,
}
# A function given to a call that is a statement of its own: a route, a test, a module.
_GIVEN = """
(expression_statement (call_expression
  function: [(identifier) (member_expression)] @name
  arguments: (arguments . (_)? @first [(arrow_function) (function_expression)]))) @given
"""
_JAVASCRIPTS = ("javascript", "typescript", "tsx")
# What stands around a definition and belongs to it: decorators, `export`, `template <…>`, a declaration of one.
_AROUND = frozenset(
    [
        "decorated_definition",
        "export_statement",
        "ambient_declaration",
        "template_declaration",
        "lexical_declaration",
        "variable_declaration",
        "expression_statement",
        "type_declaration",
        "const_declaration",
        "var_declaration",
    ]
)
_BEFORE = frozenset(("attribute_item", "decorator"))
_MEMBERS_OF = frozenset(["class", "struct", "interface", "trait", "impl", "union", "enum"])
NAMED_STRETCHES = frozenset(
    [
        "function",
        "method",
        "class",
        "struct",
        "union",
        "enum",
        "interface",
        "trait",
        "impl",
        "module",
        "type",
        "macro",
    ]
)
"""The kinds of definitions that are stretches of code, and no single values."""

UNNAMED = frozenset(["default", "exports"])
"""Names of what JavaScript exports without giving it one: stretches of code, but nothing that anybody looks for."""


def language_of(path: str) -> str:
    """The language a path's ending tells, one of LANGUAGES, or "" for any other."""
    name = path.rpartition("/")[2]
    return _FILES.get(name) or _ENDINGS.get(os.path.splitext(name)[1][1:].lower(), "")


def definitions(path_or_language: str, source: bytes) -> tuple[Definition, ...]:
    """What a text defines, in the order it begins, an outer definition before those inside it.

    () for a language that is not known, a text of more than SOURCE_BYTES, or one whose brackets nest without end.
    """
    language = path_or_language if path_or_language in _GRAMMARS else language_of(path_or_language)
    if not language or not source or len(source) > SOURCE_BYTES or _nests_too_deep(source):
        return ()
    found = sorted(_found(language, source), key=lambda one: (one[0].start_byte, -one[0].end_byte))
    return tuple(_nested(language, source, found))[:MOST_DEFINITIONS]


def spans(path: str, text: str) -> tuple[Span, ...] | None:
    """The functions, types and modules of a text as named stretches; None if its language is not known.

    Names are dotted, `Basket.total`, as in `core.microtasks.outlines`. A function without a name that JavaScript gives
    to a call is named for that: `app.get /users`.
    """
    language = language_of(path)
    source = text.encode("utf-8", "surrogateescape")
    if not language or len(source) > SOURCE_BYTES:
        return None
    found = [
        Span(path=path, name=one.dotted, first_line=one.first_line, last_line=one.last_line)
        for one in definitions(language, source)
        if one.kind in NAMED_STRETCHES
    ]
    if language in _JAVASCRIPTS and not _nests_too_deep(source):
        found += _given(path, language, source)
    return tuple(sorted(found, key=lambda span: (span.first_line, -span.last_line)))


def fields(path: str, text: str) -> tuple[Span, ...]:
    """The fields that the classes and structures of a text declare, by their own names, in the text's order.

    () where fields are not declared, as in Python and Ruby, and for languages that are not known.
    """
    language = language_of(path)
    source = text.encode("utf-8", "surrogateescape")
    if language not in _FIELDS or len(source) > SOURCE_BYTES or _nests_too_deep(source):
        return ()
    found = []
    matches = cursor(_query(language, _FIELDS[language])).matches(tree_of(language, source).root_node)
    for _, captures in matches:
        ((node,), (name_node,)) = captures["field"], captures["name"]
        name = _name(language, source, name_node)[1]
        first, last = _lines(node)
        found.append(Span(path=path, name=name, first_line=first, last_line=last))
    return tuple(sorted(found, key=lambda span: (span.first_line, span.last_line)))


def _given(path: str, language: str, source: bytes) -> Iterator[Span]:
    for _, captures in cursor(_query(language, _GIVEN)).matches(tree_of(language, source).root_node):
        ((node,), (called,)) = captures["given"], captures["name"]
        name = source[called.start_byte : called.end_byte].decode("utf-8", "replace")
        if not re.fullmatch(r"[\w$.]{1,60}", name):
            continue
        for first in captures.get("first", ()):
            if first.type == "string":
                said = source[first.start_byte : first.end_byte].decode("utf-8", "replace")
                name = f"{name} {' '.join(said.split())[:60].strip(chr(34) + chr(39))}"
        first_line, last_line = _lines(node)
        yield Span(path=path, name=name, first_line=first_line, last_line=last_line)


def _nests_too_deep(source: bytes) -> bool:
    depth = 0
    for bracket in re.findall(rb"[(\[{}\])]", source):
        depth = depth + 1 if bracket in b"([{" else max(depth - 1, 0)
        if depth > _DEPTH:
            return True
    return False


@lru_cache(maxsize=1)
def tree_of(language: str, source: bytes) -> Any:
    """The syntax tree of a text in one of LANGUAGES; the last one is kept, as it is often asked for twice."""
    return _parser(language).parse(source)


@cache
def grammar(language: str) -> Any:
    """tree-sitter's Language, for queries of one's own."""
    from tree_sitter import Language

    module, function = _GRAMMARS[language]
    return Language(getattr(import_module(module), function)())


def cursor(query: Any) -> Any:
    """Asks a query; not of what lies very deep, as that takes time with the square of the depth."""
    from tree_sitter import QueryCursor

    limited = QueryCursor(query)
    limited.set_max_start_depth(_DEPTH)
    return limited


@cache
def _parser(language: str) -> Any:
    from tree_sitter import Parser

    return Parser(grammar(language))


@cache
def _query(language: str, asked: str) -> Any:
    from tree_sitter import Query

    return Query(grammar(language), asked)


def _found(language: str, source: bytes) -> Iterator[tuple[Any, str, Any, Any]]:
    """Every definition's node, its kind, the node of its name, and that of a parent named beside it, if any."""
    seen: dict[tuple[int, int], tuple[Any, str, Any, Any]] = {}
    matches = cursor(_query(language, _QUERIES[language])).matches(tree_of(language, source).root_node)
    for _, captures in matches:
        (name,), parent = captures.pop("name"), captures.pop("parent", [None])[0]
        ((kind, (node,)),) = captures.items()
        if language == "cpp" and node.type == "function_definition" and name.type == "identifier":
            kind = "class"  # `class EXPORTED Name {`: what has no parameters is no function
        place = (name.start_byte, node.end_byte)
        # A function kept in a constant is a function; a structure's type is a structure.
        if place not in seen or seen[place][1] in ("constant", "type"):
            seen[place] = (node, kind, name, parent)
    yield from seen.values()


def _nested(language: str, source: bytes, found: list[tuple[Any, str, Any, Any]]) -> Iterator[Definition]:
    outer: list[tuple[Any, str, str]] = []  # node, dotted name, kind
    for node, kind, name_node, beside in found:
        # Two names of one declaration do not lie in each other.
        while outer and (outer[-1][0].end_byte <= node.start_byte or outer[-1][0] == node):
            outer.pop()
        scope, name = _name(language, source, name_node)
        if not name:
            continue
        parents = [outer[-1][1]] if outer else []
        if beside is not None:
            scope = _receiver(language, source, beside)
        if scope and not (outer and outer[-1][0].type != "module" and outer[-1][1].split(".")[-1] == scope):
            parents.append(scope)
        parent = ".".join(parents)
        if kind == "function" and (scope or (outer and outer[-1][2] in _MEMBERS_OF)):
            kind = "method"
        if kind == "method" and not parent and language == "ruby":
            kind = "function"
        is_alias = kind == "type" and language in ("c", "cpp")
        if not is_alias:  # a name for a structure holds nothing, the structure does
            outer.append((node, f"{parent}.{name}" if parent else name, kind))
        first, last = _lines(node)
        yield Definition(
            name=name,
            kind=kind,
            first_line=first,
            last_line=last,
            parent=parent,
            signature=_signature(source, node),
        )


def _lines(node: Any) -> tuple[int, int]:
    """The first and last line, with the decorators, attributes and keywords that belong to it."""
    whole = node
    while (around := whole.parent) is not None and around.type in _AROUND:
        if around.type != "expression_statement" and _is_one_of_several(around, whole):
            break
        whole = around
    first = whole
    while (before := first.prev_named_sibling) is not None and before.type in _BEFORE:
        first = before
    end_row, end_column = whole.end_point
    # What ends with a line's end ends in that line.
    return first.start_point[0] + 1, max(end_row + (end_column > 0), first.start_point[0] + 1)


def _is_one_of_several(around: Any, inside: Any) -> bool:
    return bool(sum(child.type == inside.type for child in around.named_children[:3]) > 1)


def _name(language: str, source: bytes, node: Any) -> tuple[str, str]:
    """A name, and the scope written before it: `A::b` in C++ and Ruby, `A.prototype.b = …` in JavaScript."""
    if language in ("c", "cpp"):
        for _ in range(20):
            if node.type == "operator_cast":  # `operator bool() const` has no name of its own
                written = source[node.start_byte : node.end_byte].decode("utf-8", "replace")
                return "", " ".join(written.partition("(")[0].split())
            if (inner := node.child_by_field_name("declarator")) is None:
                inner = next((c for c in node.named_children if c.type.endswith("_declarator")), None)
            if inner is None:
                break
            node = inner
    text = " ".join(source[node.start_byte : node.end_byte].decode("utf-8", "replace").split())
    if language == "rust":
        text = text.partition("<")[0].rpartition("::")[2].lstrip("&").strip()
        return "", text[:_NAME_CHARACTERS]
    if language in ("cpp", "c"):
        text = re.sub(r"<[^<>]*>(?=::)", "", text)
    parts = [part for part in re.split(r"::|\.", text.replace(".prototype.", ".")) if part]
    if language in ("javascript", "typescript", "tsx"):
        if parts[:1] in (["exports"], ["module"], ["this"], ["self"]):
            parts = [part for part in parts[1:] if part != "exports"] or parts[-1:]
        if any(not re.fullmatch(r"[\w$#]+", part) for part in parts):
            parts = [text.strip("\"'`")] if node.type in ("string", "property_identifier") else []
    if not parts:
        return "", ""
    return ".".join(parts[:-1])[:_NAME_CHARACTERS], parts[-1][:_NAME_CHARACTERS]


def _receiver(language: str, source: bytes, node: Any) -> str:
    """The type a method of Go belongs to, `Basket` of `(b *Basket[T])`, or what one of Ruby is defined for."""
    text = source[node.start_byte : node.end_byte].decode("utf-8", "replace")
    if language == "ruby":
        return text.replace("::", ".")
    match = re.search(r"(\w+)\s*(?:\[[^\]]*\])?\s*\)$", text)
    return match[1] if match else ""


def _signature(source: bytes, node: Any) -> str:
    """A definition's own words without its body, on one line."""
    body = node.child_by_field_name("body")
    if body is None and (value := node.child_by_field_name("value") or node.child_by_field_name("right")):
        body = value.child_by_field_name("body")
    end = body.start_byte if body is not None else node.end_byte
    words = source[node.start_byte : min(end, node.start_byte + 4 * _SIGNATURE_CHARACTERS)]
    line = " ".join(words.decode("utf-8", "replace").split())
    return line[:_SIGNATURE_CHARACTERS].rstrip(" :{=")
