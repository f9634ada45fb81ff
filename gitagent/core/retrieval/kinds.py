"""What kind of file a path is, as far as a change to it is likely."""

import re

_CODE = re.compile(
    r"\.(?:py|pyi|pyx|pxd|js|mjs|cjs|jsx|ts|mts|cts|tsx|go|rs|java|kt|scala|c|h|cc|cpp|cxx|hh|hpp|hxx|ipp|inl|rb|rake"
    r"|php|cs|swift|m|mm|pl|pm|sh|bash|lua|ex|exs|erl|hs|ml|clj|dart|r|jl|sql|vue|svelte|zig)$",
    re.IGNORECASE,
)
_AIDE = re.compile(r"(?:^|/)(?:docs?|examples?|samples?|benchmarks?|bench|scripts|tools|demos?)/", re.IGNORECASE)
_FOREIGN = re.compile(
    r"(?:^|/)(?:_?vendor(?:ed)?|third_?party|node_modules|dist|build|_build|generated|locale|fixtures)/|\.min\.js$"
    r"|(?:_pb2|_pb2_grpc)\.py$|\.(?:pb|gen)\.go$|(?:^|/)package-lock\.json$",
    re.IGNORECASE,
)
_HEADER = re.compile(r"\.(?:h|hh|hpp|hxx)$", re.IGNORECASE)
_TOLD = re.compile(
    r"(?:^|/)(?:change(?:s|log)|history|news|authors|contributors|licen[cs]e|readme)[^/]*$", re.IGNORECASE
)


def is_code(path: str) -> bool:
    """Whether a path's ending is that of a programming language."""
    return _CODE.search(path) is not None


def factor(path: str, is_test: bool) -> float:
    """What a file's score is multiplied by: 1 for the project's own code, less for what seldom is the cause."""
    if _FOREIGN.search(path):
        return 0.3
    if is_test:
        return 0.35
    if _TOLD.search(path):
        return 0.2
    if _HEADER.search(path):  # it has the words of the file it belongs to, which is what is changed more often
        return 0.54 if _AIDE.search(path) else 0.9
    return (1.0 if is_code(path) else 0.4) * (0.6 if _AIDE.search(path) else 1.0)
