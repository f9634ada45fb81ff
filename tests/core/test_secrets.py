"""Credentials are found by what they look like, hidden, put back, and never brought in."""

import random
import sys
import sysconfig
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitagent.core.secrets import added, holds_credentials, redact, redacted, redacted_in
from tests.secret_samples import AROUND, FORMS, PIECES, made, putty, samples

SAMPLES = list(samples())


def test_there_are_enough_planted_secrets_of_enough_kinds() -> None:
    assert len(SAMPLES) >= 60 and len({kind for kind, _, _ in SAMPLES}) >= 25


@pytest.mark.parametrize(
    ("kind", "line", "secret"), SAMPLES, ids=[f"{k}-{n}" for n, (k, _, _) in enumerate(SAMPLES)]
)
def test_a_planted_secret_is_hidden_and_put_back(kind: str, line: str, secret: str) -> None:
    text = f"import os\n\n{line}\nprint(1)\n"
    clean = redact(text)
    assert secret not in clean.text and secret not in redacted(text)
    assert clean.restored(clean.text) == text
    assert clean.text.count("\n") == text.count("\n")
    assert redact(clean.text).text == clean.text
    assert added("import os\n", text) and not added(text, text + "more\n")


def test_a_secret_known_by_its_name_is_hidden_wherever_else_it_stands() -> None:
    secret = next(secret for kind, _, secret in SAMPLES if kind == "named value")
    text = f'password = "{secret}"\nexpected {secret} to be shorter\n'
    assert redacted(text) == 'password = "[redacted]"\nexpected [redacted] to be shorter\n'


@pytest.mark.parametrize("form", FORMS)
def test_a_value_is_hidden_in_whatever_way_it_is_written_behind_its_name(form: str) -> None:
    for seed in ("one", "two", "three"):
        secret = made(20, seed=seed)
        text = form.format(secret)
        clean = redact(text)
        assert secret not in clean.text and secret not in redacted(text)
        assert clean.restored(clean.text) == text and redact(clean.text).text == clean.text
        assert added("", text)


@pytest.mark.parametrize("form", AROUND)
def test_a_token_is_seen_whatever_stands_before_it(form: str) -> None:
    for kind, _, secret in SAMPLES:
        if kind in ("github", "gitlab", "stripe", "slack", "google"):
            assert secret not in redacted(form.format(secret))


@pytest.mark.parametrize("form", PIECES)
def test_a_token_that_goes_on_in_the_next_line_is_hidden_with_all_its_pieces(form: str) -> None:
    for secret in ("ghp" + "_" + made(36, seed="cut"), "sk-" + "proj-" + made(48, seed="cut")):
        first, second = secret[:18], secret[18:]
        text = f"before\n{form.format(first, second)}\nafter the token\n"
        clean = redact(text)
        assert first not in clean.text and second not in clean.text
        assert clean.text.startswith("before\n") and clean.text.endswith("\nafter the token\n")
        assert clean.restored(clean.text) == text


def test_a_key_of_putty_is_hidden_and_keeps_its_lines() -> None:
    text, line = putty()
    assert line not in redacted(text) and redacted(text).count("\n") == text.count("\n")
    assert redacted(text).endswith("Private-MAC: 17\n")


def test_every_text_in_data_is_redacted() -> None:
    secret = next(secret for kind, _, secret in SAMPLES if kind == "github")
    assert redacted_in({"a": [secret, 1, None], "b": {"c": f"x {secret}"}}) == {
        "a": ["[redacted]", 1, None],
        "b": {"c": "x [redacted]"},
    }


@pytest.mark.parametrize(
    "line",
    [
        'password = "password"',
        "password = os.environ['DB_PASSWORD_2']",
        'api_key = "your-api-key-1"',
        "secret_key = get_secret_key(32)",
        'token = "example-token-123"',
        'url = "http://user:pass@example.com/"',
        'url = f"postgres://{user}:{password}@{host}/db"',
        "https://joe:password@proxy.example.com:3128",
        "key = sha256(b'abc').hexdigest()",
        'commit = "d41d8cd98f00b204e9800998ecf8427ed41d8cd9"',
        "id: 123e4567-e89b-12d3-a456-426614174000",
        "ACxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
        "password_file = /run/secrets/db2_password.txt",
        "token_type = base64_urlsafe_token2",
        'KEY_BEGIN = b"-----BEGIN OPENSSH PRIVATE KEY-----"\nKEY_END = b"-----END OPENSSH PRIVATE KEY-----"',
        "version = 1.2.3",
        'private_key: "ed25519.Ed25519PrivateKey"',
        'auth("X509WorkloadIdentity")',
        "password_manager('localhost', 'proxy.example.com:3128')",
        'key = load_private_key("X509_info_st")',
        "the token is base64_encoded2",
        "tokens, token_2 = scanner.next_token(17), get_token2()",
        "a risk-free desk-top task-runner that took 1234567890 tries",
    ],
)
def test_what_is_no_secret_stays(line: str) -> None:
    assert redacted(line) == line


def test_the_standard_library_holds_no_secret() -> None:
    # A sample, so that the suite stays quick; `python -m bench secrets` reads all of it.
    everything = sorted(Path(sysconfig.get_path("stdlib")).rglob("*.py"))
    files = [path for path in everything if "site-packages" not in path.parts]
    for path in random.Random(sys.version_info.minor).sample(files, min(250, len(files))):
        text = path.read_bytes().decode("utf-8", "replace")
        assert redacted(text) == text, path


@given(st.text(alphabet=st.sampled_from("aB3_-+/=:@'\"\n .{}[]\\"), max_size=300), st.sampled_from(SAMPLES))
def test_whatever_stands_around_it_redacting_is_reversible_and_done_once(
    around: str, sample: tuple[str, str, str]
) -> None:
    text = f"{around}\n{sample[1]}\n{around}"
    clean = redact(text)
    assert sample[2] not in clean.text
    assert clean.restored(clean.text) == text


def test_a_long_line_without_an_end_is_read_whole() -> None:
    secret = next(secret for kind, _, secret in SAMPLES if kind == "stripe")
    text = "x = [" + "'abc', " * 9000 + f"'{secret}', " + "'abc', " * 9000 + "]"
    assert secret not in redacted(text)


@pytest.mark.parametrize(
    "again", ["sk-", "sk-\n", "password=", "token(", "ghp_abc\n", "password value ", "token_"]
)
def test_what_only_begins_like_a_secret_again_and_again_takes_no_time_without_end(again: str) -> None:
    text = again * (100_000 // len(again))
    began = time.process_time()
    assert redacted(text) == text
    assert time.process_time() - began < 20  # the square of it takes minutes


@pytest.mark.parametrize(
    "path",
    [".env", "app/.env.production", "prod.env", "id_rsa", ".ssh/id_ed25519", "tls/server.key", "a/b.pem", "x.p12",
     ".netrc", ".npmrc", ".pypirc", ".aws/credentials", "config/credentials.json", "client_secret_17.json",
     "secrets.yaml", "terraform.tfstate", "prod.tfvars", ".docker/config.json", ".git-credentials", "kubeconfig",
     "config/master.key", "ID_RSA", "service-account.json"],
)  # fmt: skip
def test_a_file_of_this_name_holds_credentials(path: str) -> None:
    assert holds_credentials(path)


@pytest.mark.parametrize(
    "path",
    [".env.example", "env.py", "src/keys.py", "credentials.py", "secrets.py", "id_rsa.pub", "test_secrets.py",
     "monkey.go", ".env.sample", "docs/secrets.md", "src/environment.ts", "keyboard.key.py", "secrets.schema.json",
     "config.json"],
)  # fmt: skip
def test_a_file_of_that_name_does_not(path: str) -> None:
    assert not holds_credentials(path)
