"""Which stretches of a text are credentials by rules of our own, beside those of the maintained detector."""

import math
import re
from collections import Counter
from collections.abc import Iterator

KEY_BLOCK = re.compile(
    r"(-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----)(.*?)(-----END (?:[A-Z0-9]+ )*PRIVATE KEY|\Z)",
    re.DOTALL,
)
TOKEN = re.compile(
    r"""(?x)
    (?<![A-Za-z0-9_-])(?:
      (?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}                 # AWS access key id
    | gh[pousr]_[A-Za-z0-9]{36,255}                       # GitHub tokens
    | github_pat_[A-Za-z0-9_]{22,255}
    | gl(?:pat|dt|ft|rt|soat|cbt|imt|ptt|agent)-[A-Za-z0-9_-]{20,}   # GitLab
    | sk-(?:proj-|ant-|or-|svcacct-)[A-Za-z0-9_-]{20,}    # OpenAI, Anthropic, OpenRouter
    | sk-(?=[A-Za-z_-]*[0-9])[A-Za-z0-9_-]{20,}
    | (?:sk|rk)_live_[A-Za-z0-9]{16,} | whsec_[A-Za-z0-9]{24,}       # Stripe
    | xox[abeoprs]-[A-Za-z0-9-]{10,} | xapp-[0-9]-[A-Za-z0-9-]{20,}  # Slack
    | AIza[A-Za-z0-9_-]{35} | GOCSPX-[A-Za-z0-9_-]{28}    # Google
    | ya29\.[A-Za-z0-9_-]{30,}
    | hf_[A-Za-z0-9]{30,} | npm_[A-Za-z0-9]{36} | pypi-AgE[A-Za-z0-9_-]{50,} | rubygems_[0-9a-f]{48}
    | dckr_pat_[A-Za-z0-9_-]{20,} | do[oprs]_v1_[0-9a-f]{64} | shp(?:at|ca|pa|ss)_[0-9a-fA-F]{32}
    | hv[sb]\.[A-Za-z0-9_-]{24,} | dop_v1_[0-9a-f]{64} | lin_api_[A-Za-z0-9]{40} | glsa_[A-Za-z0-9_]{32,}
    | AGE-SECRET-KEY-1[A-Z0-9]{58} | SG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}
    | eyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}   # JSON web token
    )(?![A-Za-z0-9])
    """
)
# Where the path itself is what lets one in.
_HOOK = re.compile(
    r"(?:hooks\.slack\.com/services|discord(?:app)?\.com/api/webhooks/[0-9]{5,30})/([A-Za-z0-9_/-]{20,200})"
)
# A value, where the name before it says that it is a secret: the only group is the value.
_SURE = re.compile(
    r"(?i)aws_?secret_?access_?key[\"']?\s*[:=]\s*[\"']?([A-Za-z0-9/+=]{40})(?![A-Za-z0-9/+=])"
    r"|authorization[\"']?\s*[:=,]\s*[\"']?(?:bearer|basic|token)\s+([A-Za-z0-9._~+/=-]{16,})"
    r"|AccountKey=([A-Za-z0-9+/=]{40,100})"
)
_IN_URL = re.compile(r"://[^\s:/@\"'<>]{0,100}:([^\s:/@\"'{}$<>]{3,200})@")
_NAME = (
    r"(?:passw(?:or)?d|passphrase|pass_?key|pwd|secret|api_?key|auth_?key|access_?key|account_?key|service_?key|"
    r"client_?key|private_?key|encryption_?key|signing_?key|master_?key|(?:auth|access|api|bot|refresh|bearer)_?token|"
    r"credentials?|token)"
)
_QUOTED = re.compile(
    rf"(?i){_NAME}[\w.-]{{0,40}}[\"']?\s{{0,8}}\]?\s{{0,8}}(?::=|=>|={{1,3}}|!==?|:)\s{{0,8}}"
    r"@?[rbu]?[\"']([^\s\"'<>{}`]{8,200})[\"']"
)
_BARE = re.compile(
    rf"(?i)(?:^|[\s;#>])[+-]?[\w.-]{{0,60}}{_NAME}[\w.-]{{0,40}}[ \t]*[:=][ \t]*"
    r"([A-Za-z0-9+/=_.~!@^&*%-]{8,200})(?=[\s;]|$)"
)
_DIGIT = re.compile("[0-9]")
LONGEST_LINE = 20_000
_PRETENDED = re.compile(
    r"(?i)example|sample|dummy|fake|placeholder|change.?me|your|redacted|passw|secret|token|test|foo|bar|baz|spam|"
    r"xxx|\*\*\*|1234|abcd|qwerty|hello|lorem|user|admin|default|none|null|localhost|getenv|environ|process\.env"
)


_TOLD_BY = ("pass", "pwd", "secret", "key", "token", "credential", "auth")


def named(text: str) -> Iterator[tuple[int, int]]:
    """Where values stand whose name, or place in an address, says what they are: start and end of each."""
    for start, line in _telling_lines(text):
        for first, last in _in_line(line):
            yield start + first, start + last


def _telling_lines(text: str) -> Iterator[tuple[int, str]]:
    """The lines worth a look, each with where it starts; most lines are none, and this is quick to see."""
    low = text.lower()
    if "://" not in low and not any(word in low for word in _TOLD_BY):
        return
    start = 0
    for line, small in zip(text.split("\n"), low.split("\n"), strict=False):
        # An address with a password, or a digit behind a telling name.
        if ("://" in small and ("@" in small or "hooks" in small)) or (
            any(word in small for word in _TOLD_BY) and (len(small) > 40 or _DIGIT.search(small))
        ):
            for at in range(0, len(line), LONGEST_LINE):
                yield start + at, line[at : at + LONGEST_LINE + 300]
        start += len(line) + 1


def _in_line(text: str) -> Iterator[tuple[int, int]]:
    for pattern in (_SURE, _HOOK):
        for match in pattern.finditer(text):
            yield match.span(next(at for at in range(1, match.re.groups + 1) if match[at] is not None))
    for match in _IN_URL.finditer(text):
        if is_password(match[1]):
            yield match.span(1)
    for match in _QUOTED.finditer(text):
        if is_random(match[1]):
            yield match.span(1)
    for match in _BARE.finditer(text):
        # Without quotes it may as well be a name of the program's own.
        if is_random(match[1]) and _kinds(match[1]) >= 3 and not re.fullmatch(r"[\w.]*[a-z]_[\w.]*", match[1]):
            yield match.span(1)


def is_password(value: str) -> bool:
    """Whether what stands in an address before the `@` is more than the word "password"."""
    return not _PRETENDED.search(value) and (bool(_DIGIT.search(value)) or _kinds(value) >= 3 or len(value) > 8)


def is_random(value: str) -> bool:
    """Whether a value looks made by chance or care: letters and digits mixed, and no word that says "example"."""
    if not re.search(r"[0-9]", value) or not re.search(r"[A-Za-z]", value) or _PRETENDED.search(value):
        return False
    if re.search(r"[(\[].*[)\]]|^[./~]|://|^\w+(?:-\w+)*\.\w{1,4}$|\$\(|%[sd(]", value):
        return False  # a call, a path, an address, a file's name, a template
    if re.fullmatch(r"[A-Za-z]+[_-]?[0-9]{1,3}|v?[0-9][0-9.]*[a-z]?[0-9.]*", value):
        return False  # a word with a number, a version
    return _entropy(value) >= (3.0 if _kinds(value) >= 3 else 3.3)


def _kinds(value: str) -> int:
    """How many of small letters, capitals, digits and signs it has."""
    return sum(bool(re.search(kind, value)) for kind in ("[a-z]", "[A-Z]", "[0-9]", r"[^A-Za-z0-9]"))


def _entropy(value: str) -> float:
    """Bits for one of its characters, by how often each stands in it."""
    return -sum(n / len(value) * math.log2(n / len(value)) for n in Counter(value).values())
