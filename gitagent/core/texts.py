"""Small things done to texts that several core modules need; knows no other module."""

import re


def lines_of(text: str) -> list[str]:
    """The lines of a text with their newlines; only `\\n` ends a line."""
    lines = text.split("\n")
    last = lines.pop()
    return [line + "\n" for line in lines] + ([last] if last else [])


def fenced(text: str, language: str = "") -> str:
    """A text between fences that it cannot close itself, on lines of its own."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text}{'' if text.endswith(chr(10)) else chr(10)}{fence}"


def gist(instruction: str) -> str:
    """An instruction in a few words: its first sentence, at most 60 characters, as a commit would begin."""
    first = next((line.strip() for line in instruction.split("\n") if line.strip()), "")
    sentence = re.split(r"(?<=[a-z0-9)])[.!?:](?:\s|$)", first, maxsplit=1)[0].rstrip(" .")
    if re.match(r"[A-Z][a-z]+ ", sentence):
        sentence = sentence[0].lower() + sentence[1:]
    return sentence if len(sentence) <= 60 else sentence[:59].rstrip() + "…"
