"""The maintained detector (detect-secrets): its plugins asked about single lines, with no settings and no network."""

import importlib
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

# Plugins for tokens of a certain shape. Those that go by entropy alone call every digest a secret; names of variables
# and passwords in addresses are judged in `rules`, private keys taken out whole in `redact`.
PLUGINS = (
    "artifactory", "aws", "azure_storage_key", "cloudant", "discord", "github_token", "gitlab_token", "ibm_cloud_iam",
    "ibm_cos_hmac", "jwt", "mailchimp", "npm", "openai", "pypi_token", "sendgrid", "slack", "softlayer", "square_oauth",
    "stripe", "telegram_token", "twilio",
)  # fmt: skip
# Nothing that one of them finds is shorter; and without a digit it is longer still.
_LONG = re.compile(r"(?<![A-Za-z0-9_+/=.~:-])[A-Za-z0-9_+/=.~:-]{13,}")
LONGEST_LINE = 20_000
_PART, _OVERLAP = 5_000, 2_000
SHORTEST = 12
FEW = 5


def stretches(text: str) -> Iterator[tuple[int, int]]:
    """The lines with a word in them that is long and mixed enough for a token: start and end of each."""
    seen = -1
    for match in _LONG.finditer(text):
        if match.start() < seen or not _mixed(match[0]):
            continue
        start = text.rfind("\n", 0, match.start()) + 1
        end = text.find("\n", match.end())
        seen = len(text) if end < 0 else end
        # A line without an end is looked at around what is long in it.
        if seen - start > LONGEST_LINE:
            start, seen = max(start, match.start() - 200), min(seen, match.end() + 200)
        if seen - start <= LONGEST_LINE:
            yield start, seen
            continue
        # One word without an end is looked at in parts: some plugins take time with the square of it.
        for at in range(start, seen, _PART):
            yield at, min(at + _PART + _OVERLAP, seen)


def values(line: str) -> Iterator[str]:
    """What the detector takes for secrets in a line, in no certain order, some perhaps more than once."""
    for plugin in _plugins():
        for value in plugin.analyze_string(line):
            plain = str(value).strip(" \t\"'=:")
            if len(plain) >= SHORTEST and len(set(plain)) > FEW:  # "ACxxxxxxxx" stands for one
                yield plain


def _mixed(word: str) -> bool:
    return any(sign.isdigit() for sign in word) or len(word) >= 24


@cache
def _plugins() -> tuple[Any, ...]:
    """The plugins, loaded when a text first holds what might be a token: their import takes a tenth of a second."""
    from detect_secrets.plugins.base import BasePlugin

    made = []
    for name in PLUGINS:
        module = importlib.import_module(f"detect_secrets.plugins.{name}")
        made += [
            kind()
            for kind in vars(module).values()
            if isinstance(kind, type) and issubclass(kind, BasePlugin) and kind.__module__ == module.__name__
        ]
    return tuple(made)
