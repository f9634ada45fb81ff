"""Keeping obvious secrets out of prompts, and putting them back where a reply quotes the line they stood on.

Bytes of a file that are no UTF-8 go the same way: no model could read or repeat them.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

_KEY_BLOCK = re.compile(
    r"(-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----)(.*?)(-----END (?:[A-Z0-9]+ )*PRIVATE KEY|\Z)",
    re.DOTALL,
)
_NO_TEXT = re.compile("[\ud800-\udfff]+")
_TOKEN = re.compile(
    r"""(?x)
    (?<![A-Za-z0-9_-])(?:
      (?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}                 # AWS access key id
    | gh[pousr]_[A-Za-z0-9]{36,255}                       # GitHub tokens
    | github_pat_[A-Za-z0-9_]{22,255}
    | glpat-[A-Za-z0-9_-]{20,}                            # GitLab
    | sk-(?:proj-|ant-|or-|svcacct-)?[A-Za-z0-9_-]{20,}   # OpenAI, Anthropic, OpenRouter
    | (?:sk|rk)_live_[A-Za-z0-9]{16,}                     # Stripe
    | xox[abeprs]-[A-Za-z0-9-]{10,}                       # Slack
    | AIza[A-Za-z0-9_-]{35}                               # Google
    | hf_[A-Za-z0-9]{30,} | npm_[A-Za-z0-9]{36} | pypi-AgEI[A-Za-z0-9_-]{50,}
    | eyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}   # JSON web token
    )(?![A-Za-z0-9])
    """
)
# A value, where the name before it says that it is a secret: group 1 is the value alone.
_NAMED = re.compile(
    r"(?i)aws_?secret_?access_?key[\"']?\s*[:=]\s*[\"']?([A-Za-z0-9/+=]{40})(?![A-Za-z0-9/+=])"
    r"|://[^\s:/@\"']{1,100}:([^\s:/@\"'{}$<>]{3,200})@"
    r"|authorization[\"']?\s*[:=]\s*[\"']?(?:bearer|basic|token)\s+([A-Za-z0-9._~+/=-]{16,})"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Redacted:
    """A text without its secrets; `secrets` holds what each placeholder stands for. Lines stay lines."""

    text: str
    secrets: Mapping[str, str] = field(hash=False, repr=False)

    def restored(self, reply: str) -> str:
        """A reply with the secrets back in place, so that its context lines are the file's own."""
        for placeholder, secret in self.secrets.items():
            reply = reply.replace(placeholder, secret)
        return reply


def redact(text: str) -> Redacted:
    """Take private keys, access keys, tokens and passwords in URLs out of a text.

    The same secret gets the same placeholder, and no placeholder is a word the text already has.
    """
    secrets: dict[str, str] = {}
    placeholders: dict[str, str] = {}

    def hidden(secret: str, what: str = "secret") -> str:
        if secret not in placeholders:
            number = len(placeholders) + 1
            while f"[{what} {number}]" in text or f"[{what} {number}]" in secrets:
                number += 1
            placeholders[secret] = f"[{what} {number}]"
            secrets[placeholders[secret]] = secret
        return placeholders[secret]

    def key_block(match: re.Match[str]) -> str:
        inside = re.sub(r"[^\s\"'\\,+()][^\n]*[^\s\"'\\,+()]", lambda line: hidden(line[0]), match[2])
        return match[1] + inside + match[3]

    def value(match: re.Match[str]) -> str:
        group = next(number for number in (1, 2, 3) if match[number] is not None)
        start, end = match.start(group) - match.start(), match.end(group) - match.start()
        return match[0][:start] + hidden(match[group]) + match[0][end:]

    clean = _KEY_BLOCK.sub(key_block, text)
    clean = _TOKEN.sub(lambda match: hidden(match[0]), clean)
    clean = _NAMED.sub(value, clean)
    clean = _NO_TEXT.sub(lambda match: hidden(match[0], "bytes"), clean)
    return Redacted(text=clean, secrets=secrets)
