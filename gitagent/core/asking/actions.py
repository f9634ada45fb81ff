"""What a model wants to do next, read tolerantly: one call of a tool, or the answer."""

import contextlib
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from gitagent.core.replies import read_object, renamed, without_thoughts
from gitagent.errors import ModelError, RequestError

# Each tool with other words for it that models use.
TOOLS: Mapping[str, tuple[str, ...]] = {
    "read_file": ("read", "readfile", "open_file", "open", "cat", "view", "view_file", "show_file", "get_file"),
    "grep": ("search", "search_code", "find", "rg", "ripgrep", "find_in_files", "code_search"),
    "git": ("run_git", "git_command"),
    "bash": ("shell", "sh", "run", "run_command", "execute", "exec", "terminal", "command", "cmd", "run_bash"),
    "think": ("thinking", "plan", "reflect", "note"),
}
FINAL = ("answer", "final", "final_answer", "finish", "done", "respond", "response", "reply", "submit")
_THOUGHT = ("thoughts", "reasoning", "why", "reason", "explanation", "thinking")
_ARGUMENTS = ("args", "input", "parameters", "params", "action_input", "tool_input", "kwargs")
# What each tool takes, its own word first.
_TAKES: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "read_file": {
        "path": ("file", "filename", "file_path", "filepath", "name"),
        "first_line": ("start", "start_line", "from", "line_start", "begin", "offset"),
        "last_line": ("end", "end_line", "to", "line_end", "until"),
    },
    "grep": {
        "pattern": ("query", "regex", "text", "search", "term", "string", "q"),
        "path": ("file", "dir", "directory", "folder", "glob", "include", "paths"),
    },
    "git": {"arguments": ("command", "cmd", "subcommand", "query")},
    "bash": {"command": ("cmd", "script", "code", "line", "bash", "shell")},
    "think": {"text": ("thought", "thoughts", "note", "content", "message")},
}
_MAIN = {"read_file": "path", "grep": "pattern", "git": "arguments", "bash": "command", "think": "text"}
_KEYS: Mapping[str, Sequence[str]] = {
    "tool": ("action", "name", "tool_name", "function", "function_name", "type"),
    "arguments": _ARGUMENTS,
    "thought": _THOUGHT,
    "answer": FINAL[1:],
    "error": ("about_error", "acknowledged", "error_note"),
    **{
        key: words for takes in _TAKES.values() for key, words in takes.items() if key not in ("arguments", "text")
    },
}
# What no program can be given, nor a file be called: NUL, and halves of characters, which JSON has a way to write.
_NO_TEXT = re.compile(r"[\0\ud800-\udfff]")
MOST_CHARACTERS = 4_000
MOST_ANSWER = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call of a tool. `arguments` are by the tool's own words, all of them texts."""

    tool: str
    arguments: Mapping[str, str] = field(hash=False)
    thought: str = ""

    @property
    def said(self) -> str:
        """The call on one line, as a person would type it: what an allow-list's prefix is held against."""
        given = self.arguments
        if self.tool == "read_file":
            return f"read_file {self.input}"
        if self.tool == "grep":
            return f"grep {given['pattern']!r}{' in ' + given['path'] if given.get('path') else ''}"
        return f"{self.tool} {given[_MAIN[self.tool]]}"

    @property
    def input(self) -> str:
        """What the tool is given, in one text; a grep's path stands apart."""
        given = self.arguments
        if self.tool != "read_file" or len(given) == 1:
            return given[_MAIN[self.tool]]
        return f"{given['path']}:{given.get('first_line', '1')}" + (
            f"-{given['last_line']}" if "last_line" in given else ""
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The model's last word. `about_error` is what it says of an error before it, "" for nothing."""

    text: str
    about_error: str = ""
    thought: str = ""


def read(reply: str) -> Call | Answer:
    """The next step in a reply. Raises ModelError, worded for the model, if there is none for certain."""
    text = without_thoughts(reply).strip()
    if not text:
        raise ModelError("the reply is empty; answer with one JSON object")
    if "{" not in text:
        return Answer(text=text[:MOST_ANSWER])  # prose alone: a model that answers
    problem = ModelError("the reply holds no JSON object")
    for wanted in ("tool", "answer", *TOOLS):
        keys = _KEYS if wanted in _KEYS else {**_KEYS, wanted: TOOLS[wanted]}
        try:
            return _step(read_object(text, keys, wanted=wanted), wanted)
        except ModelError as error:
            if wanted == "tool" or "no JSON object with" not in str(error):
                problem = error
            if "different answers" in str(error):
                raise ModelError("the reply holds more than one action; give the next one alone") from error
    if not re.search(r"""["'](?:tool|action|name|answer)["']\s*:""", text):
        return Answer(text=text[:MOST_ANSWER])  # code in an answer has braces too
    raise problem


def _step(found: Mapping[str, object], wanted: str) -> Call | Answer:
    if wanted in TOOLS:
        found = {**found, "tool": wanted, "arguments": found[wanted]}
    held = found.get("tool")
    if isinstance(held, dict):
        found = {**found, **renamed(held, _KEYS)}
        held = found.get("tool")
    if wanted == "answer" or (isinstance(held, str) and _plain(held) in map(_plain, FINAL)):
        return _answer(found)
    if not isinstance(held, str):
        raise ModelError(f'"tool" is to be one of: {", ".join(TOOLS)}; or give an "answer"')
    tool = _tool(held)
    arguments = _arguments(tool, found)
    return Call(tool=tool, arguments=arguments, thought=_said(found.get("thought"))[:MOST_CHARACTERS])


def _answer(found: Mapping[str, object]) -> Answer:
    given = found.get("answer")
    if given is None:
        inside = found.get("arguments")
        given = next(iter(inside.values()), None) if isinstance(inside, dict) else inside
    text = _said(given if given is not None else found.get("thought")).strip()
    if not text:
        raise ModelError('the "answer" is empty')
    return Answer(
        text=text[:MOST_ANSWER],
        about_error=_said(found.get("error")),
        thought=_said(found.get("thought"))[:MOST_CHARACTERS],
    )


def _tool(name: str) -> str:
    bare = _plain(name.rsplit(".", 1)[-1])
    for tool, others in TOOLS.items():
        if bare == _plain(tool) or bare in map(_plain, others):
            return tool
    raise ModelError(f'there is no tool "{name[:40]}"; the tools are: {", ".join(TOOLS)}')


def _arguments(tool: str, found: Mapping[str, object]) -> dict[str, str]:
    takes, main = _TAKES[tool], _MAIN[tool]
    inside = found.get("arguments")
    if isinstance(inside, str) and inside.lstrip().startswith("{") and tool != "bash":
        with contextlib.suppress(ModelError):
            inside = read_object(inside, takes, wanted=main)
    given = {key: value for key, value in found.items() if key in takes and key != "arguments"}
    if isinstance(inside, dict):
        given |= renamed(inside, takes)
        if main not in given and len(inside) == 1:
            given[main] = next(iter(inside.values()))
    elif _text(inside).strip():
        given[main] = inside
    if tool == "think" and "text" not in given:
        given["text"] = found.get("thought", "")
    if tool in ("git", "bash") and main not in given and found.get("command") is not None:
        given[main] = found["command"]
    texts = {key: _text(value).strip() for key, value in given.items() if key in takes and _text(value).strip()}
    if main not in texts:
        raise ModelError(f'"{tool}" needs "{main}"')
    if max(map(len, texts.values())) > MOST_CHARACTERS:
        raise ModelError(f'what "{tool}" is given is longer than {MOST_CHARACTERS} characters')
    if any(_NO_TEXT.search(text) for text in texts.values()):
        raise ModelError(f'what "{tool}" is given holds a character that stands in no text')
    if tool == "git":
        texts[main] = re.sub(r"^git\s+", "", texts[main])
    if tool == "read_file":
        return _span(texts)
    return texts


def _span(texts: dict[str, str]) -> dict[str, str]:
    """A path with its lines, which may stand behind it: `a.py:3-9`."""
    if match := re.fullmatch(r"(.+?):(\d{1,7})(?:-(\d{1,7}))?", texts["path"]):
        behind = {"first_line": match[2], **({"last_line": match[3]} if match[3] else {})}
        texts = {**behind, **texts, "path": match[1]}
    for key in ("first_line", "last_line"):
        if key in texts and not re.fullmatch(r"\d{1,7}", texts[key]):
            raise ModelError(f'"{key}" is to be a line number, counted from 1')
    return texts


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return shlex.join(str(item) for item in value) if all(isinstance(item, str) for item in value) else ""
    return str(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else ""


def _said(value: object) -> str:
    return _NO_TEXT.sub("\ufffd", _text(value))


def _plain(word: str) -> str:
    return re.sub(r"[^a-z0-9]", "", word.lower())


# -- what may run without being asked about -------------------------------------------------------------------

# Whatever a shell would read as more than words of one command.
_SHELL = re.compile(r"[;&|<>`$(){}\[\]*?!#~\\\n\r\"']")


def rules(text: str) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """An allow-list: `read_file, git/log, bash/pytest -q`. Raises RequestError for a tool there is not."""
    found = []
    for item in filter(None, (part.strip() for part in text.split(","))):
        tool, _, prefix = item.partition("/")
        if tool.strip() not in TOOLS:
            raise RequestError(
                f"{item}: there is no tool {tool!r}, expected one of {', '.join(TOOLS)}. Nothing was asked.",
                hint='gitagent ask --allow "bash/pytest -q" "…"',
            )
        found.append((tool.strip(), tuple(prefix.split())))
    return tuple(found)


def is_allowed(call: Call, allowed: Sequence[tuple[str, tuple[str, ...]]]) -> bool:
    """Whether a rule covers the call: by its tool, and by its first words; what a shell would expand never has a
    prefix that says enough."""
    words = tuple(re.split(r"[ \t]+", call.arguments[_MAIN[call.tool]]))
    for tool, prefix in allowed:
        if tool != call.tool:
            continue
        if not prefix:
            return True
        if tool in ("read_file", "grep"):
            path, folder = call.arguments.get("path", ""), " ".join(prefix).rstrip("/")
            if (path == folder or path.startswith(folder + "/")) and ".." not in path:
                return True
            continue
        plain = call.tool != "bash" or not _SHELL.search(call.arguments["command"])
        if plain and words[: len(prefix)] == prefix:
            return True
    return False
