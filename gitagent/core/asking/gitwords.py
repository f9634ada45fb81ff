"""Which git commands may be run to answer a question: those that only read history, with options known to be harmless.

Whatever is not listed is refused: options that write (`--output`), start programs (`--ext-diff`, `--textconv`, `-O`),
read other files (`--no-index`, `--contents`, `-f`, the `-S` of blame) or set configuration (`-c`) all come to that.
"""

import itertools
import re
import shlex
from collections.abc import Sequence

from gitagent.core.secrets import holds_credentials
from gitagent.errors import RequestError

COMMANDS = ("log", "show", "diff", "blame", "shortlog", "ls-tree", "rev-parse", "rev-list", "describe", "merge-base",
            "for-each-ref", "branch", "tag", "name-rev", "diff-tree")  # fmt: skip
_LONG = frozenset(
    re.findall(
        "[a-z-]+",
        """
    --oneline --stat --shortstat --numstat --name-only --name-status --summary --patch --no-patch --graph --all
    --branches --tags --remotes --merges --no-merges --first-parent --reverse --follow --abbrev-commit --no-color
    --decorate --no-decorate --author --committer --grep --since --until --after --before --max-count --skip
    --date --format --pretty --count --left-right --cherry-pick --topo-order --date-order --full-history
    --simplify-merges --unified --word-diff --ignore-all-space --ignore-space-change --ignore-blank-lines
    --find-renames --find-copies --diff-filter --pickaxe-regex --pickaxe-all --minimal --patience --histogram
    --raw --abbrev --function-context --relative --invert-grep --all-match --regexp-ignore-case --fixed-strings
    --extended-regexp --perl-regexp --line-porcelain --porcelain --show-email --show-name --show-number --numbered
    --email --long --full-tree --full-name --short --verify --symbolic-full-name --abbrev-ref --contains --merged
    --no-merged --points-at --sort --list --is-ancestor --fork-point --octopus --always --exact-match --match
    --candidates --root --no-commit-id --ancestry-path --objects --parents --children --boundary --cherry
    --no-renames --dirstat --check --text --name
    """,
    )
)
_SHORT = re.compile(
    r"-(?:\d{1,6}|n\d{0,6}|[pswibemMCaqtrdzlEFPvL]|U\d{1,4}|[SGL].{1,200}|s?n?e|sn|M\d{0,3}%?|C\d{0,3}%?)"
)
# Whose value may be the next word. Elsewhere the next word is looked at like any other.
_WITH_VALUE = {"-n": ("log", "show", "rev-list"), "-S": ("log", "show", "diff", "diff-tree"),
               "-G": ("log", "show", "diff", "diff-tree"), "-L": ("log", "show", "blame")}  # fmt: skip
# What these short options do elsewhere they do not do here: they write, or read a file that is named.
_REFUSED = {"branch": frozenset(("-d", "-m", "-M", "-C", "-t", "-q", "-U", "-e", "-E")),
            "tag": frozenset(("-d", "-m", "-a", "-s", "-e", "-F", "-v", "-E")),
            "blame": frozenset(("-S", "-G"))}  # fmt: skip
_LISTS = frozenset(("--contains", "--merged", "--no-merged", "--points-at", "--sort", "--format"))
# The lines that `--graph` draws before what git says.
_GRAPH = r"(?:[|*\\/_. ]*[|*\\/] )?"
MOST_WORDS = 60


def words_of(text: str) -> tuple[str, ...]:
    """The words after `git`. Raises RequestError, saying which, if one of them is not allowed."""
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise RequestError(f"git: {error}") from None
    if not words or words[0] not in COMMANDS:
        said = words[0] if words else ""
        raise RequestError(f"git: {said[:60]!r} is not allowed; one of: {', '.join(COMMANDS)}")
    if len(words) > MOST_WORDS or "\0" in text:
        raise RequestError(f"git: more than {MOST_WORDS} words")
    command, rest, is_value = words[0], words[1:], False
    for at, word in enumerate(rest):
        if word == "--":
            for path in rest[at + 1 :]:
                _check_name(path)
                if re.search(r"[*?\[]", path):
                    raise RequestError(f"git: {path[:80]!r} is a pattern; name a file or a folder")
            break
        was_value, is_value = is_value and not word.startswith("-"), False
        if was_value:
            _check_value(word)
        elif word.startswith("--"):
            name, _, value = word.partition("=")
            if name not in _LONG:
                raise RequestError(f"git {command}: the option {name[:60]} is not allowed")
            _check_value(value)
        elif word.startswith("-") and word != "-":
            takes = command in _WITH_VALUE.get(word, ())
            if not (takes or _SHORT.fullmatch(word)) or word[:2] in _REFUSED.get(command, ()):
                raise RequestError(f"git {command}: the option {word[:60]} is not allowed")
            is_value = takes
        else:
            _check_name(word)
    _check_listing(command, rest)
    if command == "shortlog" and all(word.startswith("-") for word in itertools.takewhile("--".__ne__, rest)):
        words.insert(1, "HEAD")  # else it waits for a log on its standard input
    return tuple(words)


def _check_listing(command: str, rest: Sequence[str]) -> None:
    """`git branch NAME` and `git tag NAME` make one; with an option that lists, they only list."""
    lists = "--list" in rest or "-l" in rest or any(word.partition("=")[0] in _LISTS for word in rest)
    if command in ("branch", "tag") and not lists and any(not word.startswith("-") for word in rest):
        raise RequestError(f"git {command}: only listing is allowed; say git {command} --list PATTERN")


def _check_value(value: str) -> None:
    if "%G" in value:
        raise RequestError("git: %G in a format starts a program, and is not allowed")
    if "\n" in value or "\0" in value:
        raise RequestError("git: a value of more than one line is not allowed")


def _check_name(word: str) -> None:
    """A revision or path. Whatever is absolute, leads out, or names another repository is refused."""
    _check_value(word)
    path = word.rpartition(":")[2]
    outside = path.startswith(("/", "~", "\\")) or (".." in re.split(r"[/\\]", path) and "/" in path)
    if outside or "::" in word or "://" in word or re.match(r"[A-Za-z]:[/\\]", word):
        raise RequestError(f"git: {word[:80]!r} leads out of the repository, and is not allowed")
    if word.startswith(":") and not word.startswith((":/", ":(")) and ".." in word:
        raise RequestError(f"git: {word[:80]!r} is not allowed")
    if holds_credentials(path):
        raise RequestError(f"git: {path[:80]} is a file that credentials are kept in; nobody is shown it")


def without_credential_files(output: str) -> str:
    """A patch without the sections of files that credentials are kept in; each says so."""
    if "diff --" not in output:
        return output
    kept: list[str] = []
    hides = False
    for line in output.split("\n"):
        if match := re.match(rf"{_GRAPH}diff --(?:git a/.* b/|cc |combined )(.*)$", line):
            hides = holds_credentials(match[1].strip('"'))
            kept.append(line)
            if hides:
                kept.append("(a file that credentials are kept in: not shown)")
            continue
        if hides and not re.match(rf"{_GRAPH}commit [0-9a-f]{{7,40}}\b", line):
            continue
        hides = False
        kept.append(line)
    return "\n".join(kept)
