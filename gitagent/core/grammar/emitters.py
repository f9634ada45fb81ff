"""One grammar written for three readers: llguidance, llama.cpp, and servers that take a grammar."""

from collections.abc import Callable

from gitagent.core.grammar.rules import Added, Grammar, Name, Symbol

# Added lines may hold no control character but the tab: git takes a NUL for a binary file, and no file is
# better for the others. Both notations of character classes know these escapes.
_NO_TEXT = r"\x00-\x08\x0A-\x1F\x7F"


def as_lark(grammar: Grammar) -> str:
    """For llguidance: a Lark grammar in which every whole diff line is one terminal."""
    terminals: dict[str, str] = {}

    def symbol(part: Symbol) -> str:
        if isinstance(part, Name):
            return part.rule
        if isinstance(part, Added):
            return "ADDED" if part.most == 1 else f"ADDED{{1,{part.most}}}"
        return terminals.setdefault(part.text, f"L{len(terminals)}")

    rules = [
        f"{name}: " + "\n | ".join(" ".join(map(symbol, sequence)) or '""' for sequence in alternatives)
        for name, alternatives in grammar.rules.items()
    ]
    newline = grammar.newline.replace("\r", "\\r").replace("\n", "\\n")
    rules.append(f"ADDED: /\\+[^{_NO_TEXT}]{{0,{grammar.line_characters}}}{newline}/")
    rules += [f"{name}: {_quoted(text, _lark_escape)}" for text, name in terminals.items()]
    return "\n".join(rules) + "\n"


def as_gbnf(grammar: Grammar) -> str:
    """For llama.cpp and its servers: GBNF, which llama-server and xgrammar read too."""
    literals: dict[str, str] = {}

    def symbol(part: Symbol) -> str:
        if isinstance(part, Name):
            return _gbnf_name(part.rule, grammar)
        if isinstance(part, Added):
            return "line" if part.most == 1 else f"line{{1,{part.most}}}"
        return literals.setdefault(part.text, f"l{len(literals)}")

    rules = []
    for name, alternatives in grammar.rules.items():
        choices = " | ".join(" ".join(map(symbol, sequence)) or '""' for sequence in alternatives)
        rules.append(f"{_gbnf_name(name, grammar)} ::= {choices}")
    newline = _quoted(grammar.newline, _gbnf_escape)
    rules.append(f'line ::= "+" [^{_NO_TEXT}]{{0,{grammar.line_characters}}} {newline}')
    rules += [f"{name} ::= {_quoted(text, _gbnf_escape)}" for text, name in literals.items()]
    return "\n".join(rules) + "\n"


def as_vllm(grammar: Grammar) -> dict[str, object]:
    """For vLLM: what goes into a chat completion's extra body."""
    return {"structured_outputs": {"grammar": as_gbnf(grammar)}}


def _gbnf_name(rule: str, grammar: Grammar) -> str:
    # `root` is where GBNF begins; vLLM may translate it to Lark, where a rule `start` would then be there twice.
    return "root" if rule == grammar.start else rule.replace("_", "-")


def _quoted(text: str, escape: Callable[[str], str]) -> str:
    return '"' + "".join(c if _is_plain(c) else escape(c) for c in text) + '"'


def _is_plain(character: str) -> bool:
    # Anything that an editor might not show goes in as an escape; a raw DEL breaks Lark strings.
    return character not in '"\\' and (" " <= character <= "~" or character.isalnum())


def _lark_escape(character: str) -> str:
    # Lark strings are JSON strings, where a character beyond the first plane is two escapes.
    if character in _SHORT:
        return _SHORT[character]
    units = character.encode("utf-16-be")
    return "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))


def _gbnf_escape(character: str) -> str:
    if character in _SHORT:
        return _SHORT[character]
    code = ord(character)
    if code < 0x100:
        return f"\\x{code:02X}"
    return f"\\u{code:04X}" if code < 0x10000 else f"\\U{code:08X}"


_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t", '"': '\\"', "\\": "\\\\"}
