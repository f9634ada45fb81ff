"""Certificates: what a verdict rests on, written down so that somebody else can run it again.

A certificate is a stranger's text when it is read: whoever can write notes or edit a pull request can write one. Its
digest tells an accident or a careless edit, not a forger; `gitagent verify` runs the tests again and compares.
"""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn, cast

from gitagent.core.texts import fenced
from gitagent.errors import RequestError
from gitagent.records import Outcome, State, TestResult, TestRun, Verdict

FORMAT = 1
MOST_CHARACTERS = 16 * 2**20
# A pull request's body on GitHub holds 65,536 characters.
MOST_SHOWN = 20_000
LANGUAGE = "gitagent-certificate"
_LONGEST = 20_000
_OID = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_OUTCOMES = ("passed", "failed", "error", "skipped")
_STATES = ("passed", "failed", "inconclusive")
# A test that was not there.
ABSENT = "absent"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A commit and its tree."""

    commit: str
    tree: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """One run of the tests: `where` is base, tip, base again or tip again; `log` is the sha256 of what it printed."""

    where: str
    argv: tuple[str, ...]
    state: State
    exit_code: int | None
    seconds: float
    log: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """What the tests said of base and tip, and how they were run.

    `environment` is the sandbox down to its digest, `command` the whole suite's command line, `scope` the tests it
    was narrowed to, () for all. `tests` gives the outcome on base and on tip by test id ("absent" where there was
    none), flaky ones left out. `gitagent` is the version that wrote it.
    """

    gitagent: str
    state: State
    reason: str
    base: Place
    tip: Place
    environment: str
    command: tuple[str, ...]
    scope: tuple[str, ...]
    red: tuple[str, ...]
    runs: tuple[Ran, ...]
    tests: Mapping[str, tuple[str, str]] = field(hash=False)
    flaky: tuple[str, ...] = ()


def of(verdict: Verdict, *, base: str, tip: str, version: str) -> Certificate:
    """The certificate of a verdict on these two commits."""
    runs = [
        ("base", verdict.base),
        ("tip", verdict.tip),
        *zip(("base again", "tip again"), verdict.again, strict=False),
    ]
    return Certificate(
        gitagent=version,
        state=verdict.state,
        reason=verdict.reason[:2_000],
        base=Place(commit=base, tree=verdict.base.tree),
        tip=Place(commit=tip, tree=verdict.tip.tree),
        environment=verdict.tip.sandbox,
        command=verdict.command,
        scope=verdict.scope,
        red=verdict.red,
        runs=tuple(_ran(where, run) for where, run in runs),
        tests=table(verdict.base, verdict.tip, without=verdict.flaky),
        flaky=verdict.flaky,
    )


def table(base: TestRun, tip: TestRun, *, without: Sequence[str] = ()) -> dict[str, tuple[str, str]]:
    """Outcomes on base and tip by test id, in the order of the runs."""
    on_base = {one.id: one.outcome for one in base.results}
    on_tip = {one.id: one.outcome for one in tip.results}
    left_out = set(without)
    return {
        test: (on_base.get(test, ABSENT), on_tip.get(test, ABSENT))
        for test in dict.fromkeys((*on_base, *on_tip))
        if test not in left_out
    }


def text_of(certificate: Certificate) -> str:
    """The certificate as canonical JSON: the same certificate is always the same text, with the digest of the rest."""
    plain = _plain(certificate)
    return _canonical({**plain, "digest": digest_of(plain)})


def digest_of(plain: Mapping[str, object]) -> str:
    """The digest of everything else in the certificate."""
    return "sha256:" + hashlib.sha256(_canonical(plain).encode()).hexdigest()


def short_digest(certificate: Certificate) -> str:
    """What people compare: the digest's first hex digits."""
    return digest_of(_plain(certificate)).removeprefix("sha256:")[:16]


def read(text: str) -> Certificate:
    """A certificate from a stranger's text. Raises RequestError, saying why, if it is none or was edited."""
    if len(text) > MOST_CHARACTERS:
        _refuse(f"it has more than {MOST_CHARACTERS // 2**20} MiB")
    try:
        found = json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        _refuse(f"it is not JSON ({' '.join(str(error).split())[:120]})")
    fields = _object(found, "it", _KEYS)
    if fields["format"] != FORMAT:
        _refuse(f"its format is {fields['format']!r}, expected {FORMAT}"[:200])
    certificate = Certificate(
        gitagent=_text(fields, "gitagent"),
        state=cast(State, _one_of(fields, "state", _STATES)),
        reason=_text(fields, "reason"),
        base=_place(fields["base"], "base"),
        tip=_place(fields["tip"], "tip"),
        environment=_text(fields, "environment"),
        command=_texts(fields, "command"),
        scope=_texts(fields, "scope"),
        red=_texts(fields, "red"),
        runs=tuple(_read_run(one) for one in _list(fields, "runs", most=8)),
        tests=_read_tests(fields["tests"]),
        flaky=_texts(fields, "flaky"),
    )
    said, counted = _text(fields, "digest"), digest_of(_plain(certificate))
    if said != counted:
        _refuse(f"it was edited: its digest is {said[:23]}…, its contents have {counted[:23]}…")
    return certificate


def problems(
    certificate: Certificate,
    *,
    commit: str,
    tree: str,
    base_tree: str | None,
    environment: str,
    command: Sequence[str],
) -> tuple[str, ...]:
    """Why a certificate does not hold for a commit, as far as can be said without running a test.

    `tree` is the commit's, `base_tree` that of the certificate's base commit, None if that is not part of the commit's
    history. `environment` and `command` are what the tests run in and with here.
    """
    found = list[str]()
    if certificate.state != "passed":
        found.append(f"it says itself that the verdict was {certificate.state}: {certificate.reason}")
    elif not certificate.red:
        found.append("it names no test that was red")
    if certificate.tip.commit != commit:
        found.append(f"it is for commit {certificate.tip.commit[:12]}, not for {commit[:12]}: it was moved")
    elif certificate.tip.tree != tree:
        found.append(f"its tip tree is {certificate.tip.tree[:12]}, the commit has {tree[:12]}: it was edited")
    if base_tree is None:
        found.append(f"its base {certificate.base.commit[:12]} is not in the history of {commit[:12]}")
    elif certificate.base.tree != base_tree:
        found.append(
            f"its base tree is {certificate.base.tree[:12]}, the commit has {base_tree[:12]}: it was edited"
        )
    if certificate.environment != environment:
        found.append(
            f"it was made in {certificate.environment}, the tests run in {environment} here: another image"
        )
    if certificate.command != tuple(command):
        found.append(
            f"it ran {' '.join(certificate.command)!r}, the project's tests are {' '.join(command)!r}: another command"
        )
    return tuple(found)


def section(certificate: Certificate) -> str:
    """The certificate as a section of a pull request: how the tests ran, and all of it where that is not too long."""
    rows = ["| tests on | exit code | seconds | log |", "|---|---|---|---|"]
    rows += [
        f"| {run.where} | {'none' if run.exit_code is None else run.exit_code} | {run.seconds:.1f} "
        f"| `{run.log[:23]}…` |"
        for run in certificate.runs
    ]
    flaky = f", {len(certificate.flaky)} flaky left out by name" if certificate.flaky else ""
    parts = [
        f"Certificate `{short_digest(certificate)}`: {len(certificate.tests)} tests{flaky}, "
        f"base `{certificate.base.commit[:12]}`, tip `{certificate.tip.commit[:12]}`. It is also the tip's note "
        "(`git notes --ref gitagent show`); nobody needs to trust either:",
        fenced(f"gitagent verify {certificate.tip.commit[:12]}", "sh"),
        "\n".join(rows),
    ]
    text = text_of(certificate)
    if len(text) <= MOST_SHOWN:
        summary = "<summary>The whole certificate</summary>"
        parts.append(f"<details>{summary}\n\n{fenced(text, LANGUAGE)}\n\n</details>")
    else:
        parts.append(f"With {len(text)} characters it is too long for this place; the note has it.")
    return "\n\n".join(parts)


def found_in(body: str) -> str | None:
    """The certificate's text in a pull request's body, None if there is none.

    The last one counts: what was asked is quoted before it, and may hold anything.
    """
    blocks = re.findall(rf"^(`{{3,}}){LANGUAGE}\r?\n(.*?)^\1\s*$", body, re.MULTILINE | re.DOTALL)
    return blocks[-1][1].replace("\r\n", "\n") if blocks else None


_KEYS = (
    "format",
    "gitagent",
    "state",
    "reason",
    "base",
    "tip",
    "environment",
    "command",
    "scope",
    "red",
    "runs",
    "tests",
    "flaky",
    "digest",
)


def _ran(where: str, run: TestRun) -> Ran:
    log = hashlib.sha256(run.output.encode("utf-8", "surrogatepass")).hexdigest()
    return Ran(
        where=where,
        argv=run.argv,
        state=run.state,
        exit_code=run.exit_code,
        seconds=round(run.seconds, 3),
        log=f"sha256:{log}",
    )


def _plain(certificate: Certificate) -> dict[str, object]:
    pairs: dict[str, list[str]] = {}
    for test, (before, after) in certificate.tests.items():
        pairs.setdefault(f"{before} {after}", []).append(test)
    return {
        "format": FORMAT,
        "gitagent": certificate.gitagent,
        "state": certificate.state,
        "reason": certificate.reason,
        "base": {"commit": certificate.base.commit, "tree": certificate.base.tree},
        "tip": {"commit": certificate.tip.commit, "tree": certificate.tip.tree},
        "environment": certificate.environment,
        "command": list(certificate.command),
        "scope": list(certificate.scope),
        "red": list(certificate.red),
        "runs": [
            {
                "where": run.where,
                "argv": list(run.argv),
                "state": run.state,
                "exit_code": run.exit_code,
                "seconds": run.seconds,
                "log": run.log,
            }
            for run in certificate.runs
        ],
        "tests": {pair: sorted(tests) for pair, tests in pairs.items()},
        "flaky": list(certificate.flaky),
    }


def _canonical(plain: Mapping[str, object]) -> str:
    # Sorted keys; ASCII alone, so that no editor, mail or forge changes a byte of it; one item a line, for diffs.
    return json.dumps(plain, sort_keys=True, indent=1, ensure_ascii=True, allow_nan=False) + "\n"


def _refuse(why: str) -> NoReturn:
    raise RequestError(f"this is no certificate that can be relied on: {why}")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key is there twice")
    return found


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")


def _object(value: object, what: str, keys: Sequence[str]) -> dict[str, Any]:
    if not isinstance(value, dict) or set(value) != set(keys):
        _refuse(f"{what} has not exactly the keys {', '.join(keys)}")
    return value


def _text(fields: Mapping[str, Any], key: str) -> str:
    value = fields[key]
    if not isinstance(value, str) or len(value) > _LONGEST:
        _refuse(f"{key} is no text of at most {_LONGEST} characters")
    return value


def _one_of(fields: Mapping[str, Any], key: str, choices: Sequence[str]) -> str:
    value = _text(fields, key)
    if value not in choices:
        _refuse(f"{key} is {value[:40]!r}, expected one of {', '.join(choices)}")
    return value


def _list(fields: Mapping[str, Any], key: str, *, most: int = 1_000_000) -> list[Any]:
    value = fields[key]
    if not isinstance(value, list) or len(value) > most:
        _refuse(f"{key} is no list of at most {most} items")
    return value


def _texts(fields: Mapping[str, Any], key: str) -> tuple[str, ...]:
    return tuple(_text({key: one}, key) for one in _list(fields, key))


def _place(value: object, what: str) -> Place:
    fields = _object(value, what, ("commit", "tree"))
    commit, tree = _text(fields, "commit"), _text(fields, "tree")
    if not _OID.fullmatch(commit) or not _OID.fullmatch(tree):
        _refuse(f"{what} names no commit and tree")
    return Place(commit=commit, tree=tree)


def _read_run(value: object) -> Ran:
    fields = _object(value, "a run", ("where", "argv", "state", "exit_code", "seconds", "log"))
    code, seconds, log = fields["exit_code"], fields["seconds"], _text(fields, "log")
    if not (code is None or type(code) is int) or type(seconds) not in (int, float) or not _DIGEST.fullmatch(log):
        _refuse("a run's exit code, seconds or log digest is none")
    return Ran(
        where=_one_of(fields, "where", ("base", "tip", "base again", "tip again")),
        argv=_texts(fields, "argv"),
        state=cast(State, _one_of(fields, "state", _STATES)),
        exit_code=code,
        seconds=seconds,
        log=log,
    )


def _read_tests(value: object) -> dict[str, tuple[str, str]]:
    if not isinstance(value, dict):
        _refuse("tests is no table")
    found: dict[str, tuple[str, str]] = {}
    for pair, tests in value.items():
        before, _, after = pair.partition(" ")
        if before not in (*_OUTCOMES, ABSENT) or after not in (*_OUTCOMES, ABSENT) or before == after == ABSENT:
            _refuse(f"{pair[:40]!r} is no pair of outcomes")
        for test in _texts({"tests": tests}, "tests"):
            if test in found:
                _refuse(f"{test[:200]!r} is listed twice")
            found[test] = (before, after)
    return found


def as_run(certificate: Certificate, where: str) -> TestRun:
    """The run on base or tip as the certificate tells it."""
    ran = next((one for one in certificate.runs if one.where == where), None)
    place = certificate.base if where == "base" else certificate.tip
    column = 0 if where == "base" else 1
    results = tuple(
        TestResult(id=test, outcome=cast(Outcome, pair[column]))
        for test, pair in certificate.tests.items()
        if pair[column] != ABSENT
    )
    return TestRun(
        tree=place.tree,
        sandbox=certificate.environment,
        argv=ran.argv if ran else (),
        state=ran.state if ran else "inconclusive",
        results=results,
        exit_code=ran.exit_code if ran else None,
        seconds=ran.seconds if ran else 0.0,
        reason="" if ran else "the certificate names no such run",
    )
