"""Credentials made up when asked for, so that no scanner finds one here: kind, a line with it, it alone."""

import base64
import hashlib
import json
import string
from collections.abc import Iterator

LETTERS = string.ascii_letters + string.digits
UPPER = string.ascii_uppercase + "234567"
HEX = "0123456789abcdef"


def made(size: int, letters: str = LETTERS, seed: str = "") -> str:
    """So many letters, the same for the same words, with a digit among them."""
    out = ""
    turn = 0
    while len(out) < size:
        digest = hashlib.sha256(f"{seed}{size}{letters}{turn}".encode()).digest()
        out += "".join(letters[byte % len(letters)] for byte in digest)
        turn += 1
    return out[: size - 1] + ("7" if "7" in letters else out[size - 1])


def _token(claims: dict[str, str]) -> str:
    parts = [base64.urlsafe_b64encode(json.dumps(one).encode()).rstrip(b"=").decode()
             for one in ({"alg": "HS" + "256", "typ": "JWT"}, claims)]  # fmt: skip
    return ".".join([*parts, made(43, seed="jwt")])


def samples() -> Iterator[tuple[str, str, str]]:
    """Sixty of twenty-eight kinds."""
    begin, end = "-----BEGIN ", "-----END "
    for word in ("RSA PRIVATE", "EC PRIVATE", "OPENSSH PRIVATE", "PRIVATE", "ENCRYPTED PRIVATE"):
        body = made(64, LETTERS + "+/", seed=word)
        yield "private key", f"{begin}{word} KEY-----\n{body}\n{body[:40]}\n{end}{word} KEY-----", body
    for prefix in ("AKIA", "ASIA", "ABIA"):
        key = prefix + made(16, UPPER, seed=prefix)
        yield "aws id", f'client("{key}")', key
    for line in ("aws_secret_access_key = {}", 'AWS_SECRET_ACCESS_KEY: "{}"', "  aws_secret_access_key={}"):
        key = made(40, LETTERS + "/+", seed=line)
        yield "aws key", line.format(key), key
    for prefix in ("ghp", "gho", "ghu", "ghs", "ghr"):
        key = f"{prefix}_{made(36, seed=prefix)}"
        yield "github", f"url = https://x-access-token:{key}@github.com/a/b", key
    key = "github" + "_pat_" + made(22) + "_" + made(59)
    yield "github", f"curl -H 'Authorization: token {key}'", key
    for prefix in ("glpat", "gldt", "glrt", "glcbt"):
        key = f"{prefix}-{made(24, seed=prefix)}"
        yield "gitlab", f"GITLAB={key}", key
    for prefix in ("sk-", "sk-proj-", "sk-ant-api03-", "sk-or-v1-"):
        key = prefix + made(48, seed=prefix)
        yield "model provider", f'client = OpenAI("{key}")', key
    for prefix in ("sk", "rk"):
        key = f"{prefix}_live_{made(24, seed=prefix)}"
        yield "stripe", f"stripe.Charge('{key}')", key
    for prefix in ("xoxb", "xoxp", "xoxa"):
        key = f"{prefix}-{made(12, string.digits)}-{made(12, string.digits, 'b')}-{made(24, seed=prefix)}"
        yield "slack", f"slack({key!r})", key
    path = f"T{made(8, UPPER)}/B{made(8, UPPER, 'b')}/{made(24)}"
    yield "webhook", "https://hooks.slack.com/services/" + path, path
    path = f"{made(18, string.digits)}/{made(68)}"
    yield "webhook", "https://discord.com/api/webhooks/" + path, path.split("/")[1]
    key = "AI" + "za" + made(35)
    yield "google", f"https://maps.example.org/api?q={key}", key
    key = "GOC" + "SPX-" + made(28)
    yield "google", f'"client": "{key}"', key
    for line in ("hf" + "_" + made(34), "npm" + "_" + made(36), "pypi-" + "AgEIcHlwaS5vcmc" + made(80)):
        yield line.split("_")[0].split("-")[0], f"token: {line}", line
    key = made(36, HEX)
    key = f"{key[:8]}-{key[8:12]}-{key[12:16]}-{key[16:20]}-{key[20:32]}"
    yield "npm", "//registry.example.org/:_authToken=" + key, key
    key = f"SG.{made(22)}.{made(43)}"
    yield "sendgrid", f"mail({key!r})", key
    key = made(32, HEX) + "-us7"
    yield "mailchimp", f"MailChimp({key!r})", key
    for prefix in ("AC", "SK"):
        key = prefix + made(32, HEX, prefix)
        yield "twilio", f"Client({key!r})", key
    key = made(10, "123456789") + ":" + made(35)
    yield "telegram", f"Bot({key!r})", key
    key = "M" + made(23) + "." + made(6) + "." + made(27)
    yield "discord", f"run({key!r})", key
    key = "sq0" + "csp-" + made(43)
    yield "square", f"square({key!r})", key
    key = made(86, LETTERS + "+/") + "=="
    yield "azure", f"DefaultEndpointsProtocol=https;AccountName=a;AccountKey={key}", key
    key = _token({"sub": "17", "name": "Ada"})
    yield "json web token", f"cookie = {key!r}", key
    key = "AKC" + made(60)
    yield "artifactory", f'x = "{key}"', key
    key = made(44, LETTERS + "_", "ibm")
    yield "ibm", f"ibm_cloud_api_key = {key}", key
    for scheme in ("postgres", "mysql", "amqp", "https", "redis"):
        word = made(14, LETTERS + "!#%", scheme)
        yield "address", f"{scheme}://bob:{word}@db.internal/x", word
    for line in (
        'password = "{}"',
        "'api_key': '{}'",
        "DB_PASSWORD={}",
        "export SECRET_KEY={}",
        "client_secret: {}",
    ):
        word = made(20, seed=line)
        yield "named value", line.format(word), word
    word = made(30, seed="bearer")
    yield "header", f'"Authorization": "Bearer {word}"', word
    key = "dckr" + "_pat_" + made(27)
    yield "docker", f"docker login -p {key}", key
    key = "dop" + "_v1_" + made(64, HEX)
    yield "digitalocean", f"doctl auth init -t {key}", key
    key = "AGE-SECRET" + "-KEY-1" + made(58, UPPER)
    yield "age", key, key
    key = "sh" + "pat_" + made(32, HEX)
    yield "shopify", f"X-Shopify-Access: {key}", key


FORMS = (
    '"{{\\"password\\": \\"{}\\"}}"', '"password":\n  "{}"', "password: |\n  {}\n", "secret: >-\n  {}\n",
    "- name: DB_PASSWORD\n  value: {}", '{{"name": "API_KEY", "value": "{}"}}',
    '<add key="password" value="{}"/>', "<password>{}</password>", "<apiKey>{}</apiKey>", 'api_key = """{}"""',
    'api_key = """\n{}"""', "API_KEY=`{}`", "API_KEY={} # prod", "DB_PASS={}", "ENV DB_PASSWORD {}",
    "tool --password {}", "tool --token={}", "sshpass -p '{}' ssh x", "curl -u bob:{} https://x.example",
    'curl -H "X-Api-Key: {}"', "https://x.example/a?api_key={}&b=1", "password={}\r\n",
    "jdbc:mysql://h/db?user=a&password={}", "Server=x;User Id=a;Password={};",
    "machine x login bob password {}", "//registry.example.org/:_authToken={}", "db.password={}",
    'password: str = "{}"', 'API_KEY = (\n    "{}"\n)', 'API_KEY = \\\n    "{}"', "SECRET_KEY = f'{}'",
    '("password", "{}")', 'os.getenv("API_KEY", "{}")', "const apiKey = `{}`;",
    "const k = process.env.API_KEY || '{}';", 'private readonly apiKey: string = "{}";',
    'const API_KEY: &str = "{}";', 'password := "{}"', 'ds.setPassword("{}");', '#define API_KEY "{}"',
    'char password[] = "{}";', 'std::string token{{"{}"}};', ":password => '{}'", "password = %q({})",
    "define('DB_PASSWORD', '{}');", "CREATE USER bob IDENTIFIED BY '{}'", "WITH PASSWORD '{}'",
    "password=&quot;{}&quot;", "password: \u201c{}\u201d", "the password is `{}`", "the api key is {}",
    "API key: {}", "+password: {}", "passwort = '{}'", "api_key = 'test{}'", "password = 'aB3(x){}k'",
    "password = '/k3+{}'",
)  # fmt: skip
"""How a value stands behind, or below, a name that tells what it is."""

PIECES = ("{}\n{}", "{}\\\n{}", '"{}"\n    "{}"', "'{}' + '{}'", "'{}'\n    + '{}'", "> {}\n  {}")
"""How a token is cut in two."""

AROUND = (
    "\\n{}\\n",
    "\x1b[31m{}\x1b[0m",
    "?x=1%26t%3D{}",
    "TOKEN_{}",
    "fix-{}",
    "see {}.",
    "`{}`",
    "<b>{}</b>",
    "/tmp/{}/x",
)
"""What may stand right before and after a token."""


def putty() -> tuple[str, str]:
    """A private key as PuTTY keeps it, and one line of it."""
    line = made(64, LETTERS + "+/", seed="putty")
    return f"PuTTY-User-Key-File-2: ssh-rsa\nPrivate-Lines: 2\n{line}\n{made(40)}\nPrivate-MAC: 17\n", line
