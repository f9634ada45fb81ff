"""Would it pay to guess an answer's next tokens from the file, and check several in one evaluation?

Guesses are looked up in the lines an addition replaces, then in the excerpt, as prompt lookup does. The answers
are real edits out of this repository's history, dictated token by token, so a guess is right exactly when a model
that wants to make that edit would draw the guessed token: no model can accept more of them.
"""

import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from pathlib import Path

import numpy as np

from gitagent.adapters.llama.decoding import Sampler
from gitagent.adapters.llama.engine import Engine
from gitagent.core.grammar import Bounds, Ground, as_lark, grammar_of, ground_for, replay
from gitagent.core.texts import lines_of

AROUND = 30
MOST = 7
TIMED = 3
ROOT = Path(__file__).parents[1]


@dataclass(frozen=True, slots=True)
class Edit:
    """One replaced stretch of a real file: the excerpt around it, the lines replaced, and the answer that does it."""

    ground: Ground
    removed: tuple[str, ...]
    answer: str


def edits(count: int) -> Iterator[Edit]:
    """Small replacements in Python files, newest first, out of the history of the repository this file is in."""

    def git(*words: str) -> str:
        return subprocess.run(["git", "-C", ROOT, *words], capture_output=True, text=True, check=True).stdout

    commits = git("log", "--no-merges", "--diff-filter=M", "--format=%H", "--", "*.py").split()
    for commit in commits:
        changed = git("diff-tree", "-r", "--no-commit-id", "--diff-filter=M", "--name-only", commit).split("\n")
        for path in changed:
            if not path.endswith(".py"):
                continue
            old, new = (lines_of(git("show", f"{rev}:{path}")) for rev in (f"{commit}^", commit))
            for kind, low, high, start, end in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
                if kind != "replace" or max(high - low, end - start) > 6:
                    continue
                if edit := _edit(path, old, low, high, new[start:end]):
                    yield edit
                    count -= 1
                if not count:
                    return


def _edit(path: str, old: list[str], low: int, high: int, added: list[str]) -> Edit | None:
    first, last = max(low - AROUND, 0), high + AROUND
    ground = ground_for(
        path, first + 1, "".join(old[first:last]), "".join(old), bounds=Bounds(context_characters=1000)
    )
    start = max(low - 3, first)
    head = ground.head + ground.header(start - first) + "".join(" " + line for line in old[start:low])
    body = "".join("-" + line for line in old[low:high]) + "".join("+" + line for line in added)
    answer = head + body + "".join(" " + line for line in old[high : high + 3]) + "```"
    printable = all(len(line) < 190 and line.rstrip("\n").isprintable() for line in added)
    if not printable or start == first or ground.lacks_newline:
        return None
    replay(ground, answer)
    return Edit(ground=ground, removed=tuple(old[low:high]), answer=answer)


def guess(edit: Edit, said: str) -> str:
    """How the added line that is being said may go on, by the lines it replaces and the excerpt; "" if nobody knows."""
    line = said.rpartition("\n")[2]
    if line[:1] != "+":
        return ""
    body = line[1:]
    place, before = 0, said.split("\n")[:-1]
    while before and before.pop()[:1] == "+":
        place += 1
    mates = edit.removed[place : place + 1] + edit.removed
    for mate in mates:
        if mate.startswith(body):
            return mate[len(body) :]
    for length in range(min(len(body), 12), 2, -1):
        for text in (*mates, *reversed(edit.ground.lines)):
            at = text.find(body[-length:])
            if at >= 0 and text[at + length :]:
                return text[at + length :]
    return ""


@dataclass(slots=True)
class Tally:
    """What one way of decoding took. `steps` are (tokens certain, tokens guessed, guesses accepted) by evaluation."""

    steps: list[tuple[int, int, int]]

    @property
    def accepted(self) -> float:
        guessed = sum(step[1] for step in self.steps)
        return sum(step[2] for step in self.steps) / max(guessed, 1)


def dictated(engine: Engine, edit: Edit, drafts: int) -> Tally:
    """The evaluations a dictated answer takes with at most so many guessed tokens in each."""
    matcher = Sampler(engine).matcher(as_lark(grammar_of(edit.ground)))
    whole, said = edit.answer.encode(), b""
    tally = Tally([])

    def take(tokens: Sequence[int]) -> None:
        nonlocal said
        assert matcher.consume_tokens(list(tokens)), matcher.get_error()
        said += b"".join(map(engine.piece, tokens))
        assert whole.startswith(said)

    def forced() -> list[int]:
        tokens = [token for token in matcher.compute_ff_tokens() if token not in engine.ends]
        take(tokens)
        return tokens

    def wanted() -> int:
        found: int = engine.tokenizer.tokenize_str(whole[len(said) :].decode())[0]
        return found

    forced()
    while said != whole:
        take([wanted()])
        certain = 1 + len(forced())
        text = guess(edit, said.decode("utf-8", "ignore")) if drafts and said != whole else ""
        drafted = engine.tokenizer.tokenize_str(text)[:drafts] if text else []
        accepted = 0
        for token in drafted:
            if said == whole or wanted() != token:
                break
            take([token])
            accepted += 1
        tally.steps.append((certain, len(drafted), accepted))
    return tally


def step_seconds(engine: Engine, answers: int, tokens: int, *, rounds: int = 5) -> float:
    """The least processor time of an evaluation of so many tokens for each of so many answers, logits read."""
    sequences = list(range(1, answers + 1))
    engine.share(sequences)
    times = []
    for number in range(rounds):
        rows = [(s, 256 + number * tokens, [2000 + s + at for at in range(tokens)]) for s in sequences]
        begin = time.process_time()
        engine.decode(rows, [0] * answers, lambda *read: read[2].copy())
        times.append(time.process_time() - begin)
    for sequence in sequences:
        engine.drop(sequence)
    return min(times)


def break_even(ratio: float, drafts: int) -> float | None:
    """The share of guesses that must be right for an evaluation with them to pay; None if even all do not."""
    if ratio >= drafts + 1:
        return None
    low, high = 0.0, 1.0
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if sum(middle**n for n in range(drafts + 1)) < ratio else (low, middle)
    return high


def speculation(engine: Engine, title: str, count: int) -> None:
    """Print what guesses cost on this model, how many real edits accept, and the wall time with and without."""
    engine.feed([(0, 0, list(range(1000, 1256)))])
    print(f"\n### {title}\n")
    print("| answers at once | guesses | an evaluation beside one without | must be right to pay |")
    print("|---|---|---|---|")
    for answers in (1, 4, 8):
        alone = step_seconds(engine, answers, 1)
        for drafts in (1, 3, MOST):
            if answers * (drafts + 1) > 24:
                continue
            ratio = step_seconds(engine, answers, drafts + 1) / alone
            least = break_even(ratio, drafts)
            print(
                f"| {answers} | {drafts} | {ratio:.2f} | {'never pays' if least is None else f'{least:.0%}'} |",
                flush=True,
            )
    found = list(edits(count))
    print(
        f"\n| guesses | evaluations of {len(found)} real edits | guesses right | time beside none | none right |"
    )
    print("|---|---|---|---|---|")
    plain = 0.0
    for drafts in (0, 1, 3, MOST):
        tallies = [dictated(engine, edit, drafts) for edit in found]
        wall, worst = (
            sum(_seconds(engine, tally, none_right=none) for tally in tallies[:TIMED]) for none in (False, True)
        )
        plain = plain or wall
        evaluations = sum(len(tally.steps) for tally in tallies)
        right = np.mean([tally.accepted for tally in tallies])
        print(f"| {drafts} | {evaluations} | {right:.0%} | {wall / plain:.2f} | {worst / plain:.2f} |", flush=True)


def _seconds(engine: Engine, tally: Tally, *, none_right: bool) -> float:
    """Evaluate the steps of a dictated answer for real; with `none_right` as if every guess had been wrong."""
    engine.share([1])
    position = 256
    begin = time.process_time()
    for certain, guessed, accepted in tally.steps:
        turns = 1 + accepted if none_right else 1
        for turn in range(turns):
            tokens = [3000 + at for at in range((certain if not turn else 1) + guessed)]
            engine.decode([(1, position, tokens)], [len(tokens) - 1 - guessed], lambda *read: read[2].copy())
            kept = len(tokens) - guessed + (0 if none_right else accepted)
            engine.drop(1, position + kept)
            position += kept
    spent = time.process_time() - begin
    engine.drop(1)
    return spent
