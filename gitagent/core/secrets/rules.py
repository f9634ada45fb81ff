"""Which stretches of a text are credentials by rules of our own, beside those of the maintained detector."""

import math
import re
from collections import Counter
from collections.abc import Iterator

KEY_BLOCKS = (
    re.compile(
        r"(-{4,5} ?BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)? ?-{4,5})(.*?)"
        r"(-{4,5} ?END (?:[A-Z0-9]+ )*PRIVATE KEY|\Z)",
        re.DOTALL,
    ),
    re.compile(r"(\bPrivate-Lines: *[0-9]+\r?\n)(.*?)(Private-MAC:|\Z)", re.DOTALL),  # PuTTY
)
# Where a token may begin: at no word's inside, but behind an escape (`\\n`), a colour of a terminal, or `%3D`.
_BEGINS = r"(?:(?<![A-Za-z0-9])|(?<=\\[nrtbfv])|(?<=%[0-9A-Fa-f]{2})|(?<=[0-9\[]m))"
TOKEN = re.compile(
    _BEGINS
    + r"""(?x:
    (?:
      (?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}                 # AWS access key id
    | gh[pousr]_[A-Za-z0-9]{36,255}                       # GitHub tokens
    | github_pat_[A-Za-z0-9_]{22,255}
    | gl(?:pat|dt|ft|rt|soat|cbt|imt|ptt|agent)-[A-Za-z0-9_-]{20,}   # GitLab
    | (?<!-)sk-(?:proj-|ant-|or-|svcacct-)[A-Za-z0-9_-]{20,}    # OpenAI, Anthropic, OpenRouter
    | (?<!-)sk-(?=[A-Za-z_-]{0,200}[0-9])[A-Za-z0-9_-]{20,}
    | (?:sk|rk)_live_[A-Za-z0-9]{16,} | whsec_[A-Za-z0-9]{24,}       # Stripe
    | xox[abeoprs]-[A-Za-z0-9-]{10,} | xapp-[0-9]-[A-Za-z0-9-]{20,}  # Slack
    | AIza[A-Za-z0-9_-]{35} | GOCSPX-[A-Za-z0-9_-]{28}    # Google
    | ya29\.[A-Za-z0-9_-]{30,}
    | hf_[A-Za-z0-9]{30,} | npm_[A-Za-z0-9]{36} | pypi-AgE[A-Za-z0-9_-]{50,} | rubygems_[0-9a-f]{48}
    | dckr_pat_[A-Za-z0-9_-]{20,} | do[oprs]_v1_[0-9a-f]{64} | shp(?:at|ca|pa|ss)_[0-9a-fA-F]{32}
    | hv[sb]\.[A-Za-z0-9_-]{24,} | dop_v1_[0-9a-f]{64} | lin_api_[A-Za-z0-9]{40} | glsa_[A-Za-z0-9_]{32,}
    | AGE-SECRET-KEY-1[A-Z0-9]{58} | SG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}
    | eyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}   # JSON web token
    )(?![A-Za-z0-9]))"""
)
_PREFIXES = (
    "AKIA", "ASIA", "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "glpat-", "sk-", "sk_live_", "rk_live_",
    "xox", "AIza", "hf_", "npm_", "pypi-A", "SG.", "eyJ",
)  # fmt: skip
_TOKEN_BEGINS = re.compile(_BEGINS + rf"(?:{'|'.join(map(re.escape, _PREFIXES))})[\w.+/=-]{{0,300}}")
# What stands between the parts of a token that goes on in the next line, or in the next literal.
JOINT = re.compile(
    r"(?<=[\w.+/=-])(?:\\?\r?\n[ \t]*|[\"'][ \t]*[+.]?[ \t]*(?:\\?\r?\n[ \t]*)?[+.]?[ \t]*[\"'])(?=[\w.+/=-])"
)
_CUT = re.compile(r"\n?\[?(?:…|\.\.\.)")
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
    r"(?:passw(?:or)?[dt]|pass[_ -]?phrase|pass[_ -]?key|pwd|(?<![a-z])(?:pass|pw)(?![a-z])|secret|"
    r"(?:api|auth|access|account|service|client|private|encryption|signing|master)[_ -]?key|"
    r"(?:auth|access|api|bot|refresh|bearer)[_-]?token|credentials?|token)"
)
# Quotes as they stand in code, in a literal inside a literal, in HTML and in prose.
_QUOTE = r"(?:\"\"\"|\'\'\'|\\{0,3}[\"'`]|&quot;|&#3[49];|[\u201c\u201d\u2018\u2019])"
_QUOTED = re.compile(
    rf"(?i){_NAME}[\w.-]{{0,40}}{_QUOTE}?(?:\[\])?\s{{0,8}}\]?\s{{0,8}}"
    r"(?::\s{0,3}[\w&'<>\[\]. |]{1,40}(?==))?"  # a type
    r"(?::=|=>|={1,3}|!==?|:|,|\(|\{|\|\||\bor\b|\bis\b|\bby\b)?\s{0,8}\(?\s{0,40}\\?\s{0,40}"
    rf"(?:@?[rbuf]{{0,2}}{_QUOTE}|%q\()\s{{0,40}}([^\s\"'<>{{}}`\\\u201c\u201d]{{8,200}}?)\s{{0,8}}(?:{_QUOTE}|\))"
)
_PLAIN = r"[A-Za-z0-9+/=_.~!@^&*%#-]{8,200}"
_BARE = re.compile(
    rf"(?i)(?:^|[\s;#>\"'`,{{(/:])[+-]?[\w.-]{{0,60}}{_NAME}[\w.-]{{0,40}}[ \t]*[:=][ \t]*(?:[|>][+-]?[ \t]*\r?\n\s+)?"
    rf"({_PLAIN}?)(?=[\s;,\"'`)}}\\…]|$)"
)
# Without a sign between name and value: arguments, fields of an address, elements, pairs, prose.
_APART = re.compile(
    rf"(?i)(?:--[\w-]{{0,30}}{_NAME}[\w-]{{0,20}}[ \t]+|\bENV[ \t]+\w{{0,40}}{_NAME}\w{{0,40}}[ \t]+"
    r"|\b(?:login|machine)[ \t]+\S{1,100}[ \t]+(?:login[ \t]+\S{1,100}[ \t]+)?password[ \t]+"
    rf"|{_NAME}[ \t]+(?:is|was)[ \t]+"
    r"|\bsshpass[ \t]+-p[ \t]*|\bmysql\w{0,10}\b[^\n]{0,100}[ \t]-p)[\"'`]?"
    r"([A-Za-z0-9+/=_.~!@^&*%$#:-]{8,200})"
    rf"|[?&;]\w{{0,30}}{_NAME}\w{{0,30}}=([^\s&\"'<>#;]{{8,200}})"
    rf"|<[\w:.-]{{0,30}}{_NAME}[\w.-]{{0,30}}>\s{{0,40}}([^\s<>\"']{{8,200}})\s{{0,40}}</"
    rf"|{_NAME}[\w.-]{{0,40}}[\"']?[ \t,]{{0,3}}\r?\n?[ \t]{{0,40}}[\"']?value[\"']?[ \t]{{0,3}}[:=][ \t]{{0,3}}"
    r"[\"']?([^\s\"'<>{}]{8,200})"
    r"|\bIDENTIFIED[ \t]+BY[ \t]+[\"']([^\s\"'<>{}]{8,200})[\"']"
    r"|[ \t](?:-u|--user)[ =][\"']?[^\s:\"']{1,60}:([^\s\"'$]{8,200})"
)
_DIGIT = re.compile("[0-9]")
_WORDS = re.compile(r"(?:(?:[A-Z][a-z]+|[a-z]{2,})[0-9]{0,5}[._]?|[A-Z][0-9]{2,4}[._]?){3,}")
_SHORTEST = 8
_MUCH = 20
LONGEST_LINE = 20_000
_LONGEST_NEXT = 400
_PRETENDED = re.compile(
    r"(?i)example|sample|dummy|fake|placeholder|change.?me|your|redacted|passw|secret|token|test|foo|bar|baz|spam|"
    r"xxx|\*\*\*|1234|abcd|qwerty|hello|lorem|user|admin|default|none|null|localhost|getenv|environ|process\.env"
)


def beginnings(text: str) -> Iterator[tuple[int, int]]:
    """Where something stands that begins like a token: start and end of each."""
    if any(prefix in text for prefix in _PREFIXES):
        for match in _TOKEN_BEGINS.finditer(text):
            yield match.span()


def cut_off(text: str) -> Iterator[tuple[int, int]]:
    """Where tokens stand that somebody cut short and said so ("…"): start and end of each."""
    for start, end in beginnings(text):
        word = text[start:end].rstrip(".")
        if _CUT.match(text, start + len(word)) and is_random(word):
            yield start, start + len(word)


_TOLD_BY = ("pass", "pwd", "secret", "key", "token", "credential", "auth", "pw", "identified", "curl")


def named(text: str) -> Iterator[tuple[int, int]]:
    """Where values stand whose name, or place in an address, says what they are: start and end of each."""
    for start, line in _telling_lines(text):
        for first, last in _in_line(line):
            yield start + first, start + last


def _telling_lines(text: str) -> Iterator[tuple[int, str]]:
    """The lines worth a look, each with the one after it and where it starts; most are none, which is quick to see."""
    low = text.lower()
    if "://" not in low and not any(word in low for word in _TOLD_BY):
        return
    start = 0
    lines, small_lines = text.split("\n"), low.split("\n")
    for number, (line, small) in enumerate(zip(lines, small_lines, strict=False)):
        told = any(word in small for word in _TOLD_BY)
        # A value may stand in the line after its name.
        after = (
            lines[number + 1]
            if told and number + 1 < len(lines) and len(lines[number + 1]) < _LONGEST_NEXT
            else ""
        )
        # An address with a password, or a digit behind a telling name.
        if ("://" in small and ("@" in small or "hooks" in small)) or (
            told and (len(small) > 40 or _DIGIT.search(small) or _DIGIT.search(after))
        ):
            for at in range(0, len(line), LONGEST_LINE):
                part = line[at : at + LONGEST_LINE + 300]
                yield start + at, f"{part}\n{after}" if after and at + LONGEST_LINE >= len(line) else part
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
    for match in _APART.finditer(text):
        number = next(at for at in range(1, match.re.groups + 1) if match[at] is not None)
        if is_random(match[number]) and _is_no_name(match[number]):
            yield match.span(number)
    for match in _BARE.finditer(text):
        # Without quotes it may as well be a name of the program's own.
        if is_random(match[1]) and _is_no_name(match[1]):
            yield match.span(1)


def _is_no_name(value: str) -> bool:
    if re.fullmatch(r"[0-9a-fA-F]{32,}", value):
        return True
    return _kinds(value) >= 3 and not re.fullmatch(r"[\w.]*[a-z]_[\w.]*", value)


def is_password(value: str) -> bool:
    """Whether what stands in an address before the `@` is more than the word "password"."""
    return not _PRETENDED.search(value) and (bool(_DIGIT.search(value)) or _kinds(value) >= 3 or len(value) > 8)


def is_random(value: str) -> bool:
    """Whether a value looks made by chance or care: letters and digits mixed, and no word that says "example"."""
    # A word like "test" may stand in a value all the same, if enough is left without it.
    value = _PRETENDED.sub("", value) if len(value) >= _MUCH else value
    if not re.search(r"[0-9]", value) or not re.search(r"[A-Za-z]", value) or _PRETENDED.search(value):
        return False
    if re.search(
        r"[(\[].*[)\]]$|[(\[][^)\]]*$|^[./~][\w./~-]*$|://|^\w+(?:-\w+)*\.\w{1,4}$|\$\(|^\$|%[sd(]|&&", value
    ):
        return False  # a call, a path, an address, a file's name, a variable, a template
    if re.fullmatch(
        r"(?:[A-Z]*[a-z]+){0,3}[A-Z]*[_-]?[0-9]{1,3}|(?:[A-Za-z]+[0-9]{0,3}_)+[A-Za-z]+[0-9]{0,3}|v?[0-9][0-9.]*[a-z]?[0-9.]*"
        r"|[\w.-]*:[0-9]{1,5}",
        value,
    ):
        return False  # a word with a number, words joined, a version, a host with a port
    if _WORDS.fullmatch(value) and len(re.findall("[0-9]+", value)) <= 2:
        return False  # a name of several words: `X509WorkloadIdentity`
    return len(value) >= _SHORTEST and _entropy(value) >= (3.0 if _kinds(value) >= 3 else 3.3)


def _kinds(value: str) -> int:
    """How many of small letters, capitals, digits and signs it has."""
    return sum(bool(re.search(kind, value)) for kind in ("[a-z]", "[A-Z]", "[0-9]", r"[^A-Za-z0-9]"))


def _entropy(value: str) -> float:
    """Bits for one of its characters, by how often each stands in it."""
    return -sum(n / len(value) * math.log2(n / len(value)) for n in Counter(value).values())
