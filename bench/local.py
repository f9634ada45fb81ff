"""`python -m bench.local [PART...]`: what constrained decoding is good for and what it costs.

Models with random weights, over vocabularies of 4, 32 and 152 thousand tokens. What a random model says means
nothing; that every bit of it applies, and how fast, holds for any model. docs/local-models.md quotes the tables.
"""

import argparse
import gc
import os
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bench.memory import memory, tight
from bench.speculation import speculation
from gitagent.adapters.llama.decoding import Sampler, draw
from gitagent.adapters.llama.engine import Engine
from gitagent.adapters.llama.installed import llama_cpp
from gitagent.adapters.llama.model import SPARE
from gitagent.adapters.llama.resident import release
from gitagent.adapters.llama.worker import LlamaWorker
from gitagent.core import diffs
from gitagent.core.grammar import Ground, as_gbnf, as_lark, grammar_of, ground_for, urged
from gitagent.errors import DiffError
from gitagent.events import Event, ModelReplied
from gitagent.records import Message, MicroTask
from tests.gguf_maker import write_model
from tests.vocabularies import vocabulary

VOCABULARIES = {"4K (own)": "", "32K (llama-spm)": "llama-spm", "152K (qwen2)": "qwen2"}
HOSTILE = {
    "crlf": "def f(a):\r\n    if a:\r\n        return 1\r\n    return 2\r\n" * 3,
    "form feed and controls": "a = 1\n\x0c\nb = '\x1b[0m\x07\x7f'\n\x0b\nc\td\n",
    "emoji and combining": "x = '😀👨‍👩‍👧'\ny = 'e\u0301\u200d'\n\u2028\u2029\n\ufeffz\n",
    "tabs": "if (a) {\n\tb();\n\t\tc();\n}\n",
    "looks like a diff": "--- a/x\n+++ b/x\n@@ -1,2 +1,2 @@\n-a\n+b\n\\ No newline at end of file\n```\n```diff\n",
    "one line": "x = 1\n",
    "empty": "",
    "no final newline": "a\nb\nc",
    "one line, no newline": "x",
    "blank lines": "\n\n\n\n\n",
    "lone carriage returns": "a\rb\nc\r\nd\r\n",
}


def sources() -> Iterator[tuple[str, str]]:
    """The standard library's modules, in order of name, again and again."""
    root = Path(sysconfig.get_path("stdlib"))
    files = [file for file in sorted(root.glob("*.py")) if file.stat().st_size > 2_000]
    while True:
        for file in files:
            text = file.read_bytes().decode("utf-8", "surrogateescape")
            if not any("\udc80" <= c <= "\udcff" for c in text):
                yield file.name, text


def tasks(count: int, random: np.random.Generator, answer_tokens: int = 200) -> Iterator[tuple[MicroTask, str]]:
    """Stretches of standard-library files, every fourth a hostile text, some of 400 lines."""
    hostile = list(HOSTILE.items())
    files = sources()
    for number in range(count):
        if number % 4 == 3:
            name, text = hostile[number // 4 % len(hostile)]
            first, length = 1, len(text)
        else:
            name, text = next(files)
            lines = text.count("\n")
            length = int(random.choice([1, 3, 20, 60, 120])) if number % 50 else 400
            first = int(random.integers(1, max(lines - length, 1) + 1))
        excerpt = "".join(diffs.lines_of(text)[first - 1 : first - 1 + length])
        yield (
            MicroTask(
                id=f"t{number}",
                path=f"lib/{name}.py",
                first_line=first,
                excerpt=excerpt,
                instruction="Mend this.",
                answer_tokens=answer_tokens + 60 * (name == "looks like a diff"),
            ),
            text,
        )


class Git:
    """`git apply` on one file at a time."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        subprocess.run(["git", "init", "-q", directory], check=True)

    def apply(self, path: str, text: str, diff: str) -> bytes | None:
        """What git makes of the file, None if it refuses."""
        file = self._directory / path
        file.parent.mkdir(exist_ok=True, parents=True)
        file.unlink(missing_ok=True)
        if text:
            file.write_bytes(text.encode())
        command = ["git", "-c", "core.autocrlf=false", "apply", "--whitespace=nowarn"]
        done = subprocess.run(command, cwd=self._directory, input=diff.encode(), capture_output=True, check=False)
        return file.read_bytes() if done.returncode == 0 and file.exists() else None


def model(work: Path, vocabulary_name: str, **shape: Any) -> str:
    """A random model over a vocabulary, made once."""
    tag = "-".join([vocabulary_name or "own", *(f"{key}{value}" for key, value in sorted(shape.items()))])
    path = work / f"random-{tag}.gguf"
    if not path.exists():
        source = vocabulary(vocabulary_name) if vocabulary_name else None
        write_model(path, vocabulary_of=source, **shape)
    return str(path)


def applying(work: Path, count: int) -> None:
    """Whether every answer applies; the same models without a grammar beside it."""
    print(f"\n## Do answers apply? ({count} generations for each vocabulary)\n")
    print(
        "| vocabulary | answers | candidates | `git apply` and replay agree | tasks without one "
        "| free answers that apply |"
    )
    print("|---|---|---|---|---|---|")
    git = Git(work / "git")
    for title, name in VOCABULARIES.items():
        worker = LlamaWorker(model(work, name, context=16384), threads=1, parallel=4, window=16384)
        made = right = none = free = asked = 0
        for number, (task, text) in enumerate(tasks(count // 4, np.random.default_rng(1))):
            asked += 4
            try:
                found = list(worker.candidates(task, text, limit=4))
            except DiffError as error:
                none += 1
                print(f"<!-- {task.path}: {error} -->", file=sys.stderr)
                continue
            for candidate in found:
                made += 1
                promised = candidate.texts[task.path]
                right += (
                    promised is not None and git.apply(task.path, text, candidate.diff.text) == promised.encode()
                )
            if number % 4 == 0:
                free += _free_applies(worker, git, task, text)
        print(
            f"| {title} | {asked} | {made} | {right} of {made} ({right / max(made, 1):.1%}) | {none} tasks "
            f"| {free} of {count // 16} |",
            flush=True,
        )
    release()


def _free_applies(worker: LlamaWorker, git: Git, task: MicroTask, text: str) -> bool:
    question = Message(role="user", content=f"Answer with a diff of {task.path}:\n{task.excerpt}")
    reply = worker.model.reply([question], answer_tokens=task.answer_tokens, temperature=0.8)
    after = git.apply(task.path, text, reply.text)
    return after is not None and after != text.encode()


def hunk(work: Path, _: int) -> None:
    """Decode calls for a hunk as people write them, at each vocabulary: the answer is dictated, not sampled."""
    print("\n## Evaluations for one realistic hunk (3 context, 2 removed, 2 added, 3 context lines)\n")
    print("| vocabulary | tokens of the answer | sampled, so evaluations | tokens per evaluation |")
    print("|---|---|---|---|")
    text = Path(statistics.__file__).read_text(encoding="utf-8")
    for title, name in VOCABULARIES.items():
        engine = Engine(model(work, name), window=2048, cells=2048, parallel=1, threads=1)
        totals = [0, 0]
        lines = diffs.lines_of(text)
        for at in range(100, 900, 40):
            excerpt = "".join(lines[at : at + 40])
            ground = ground_for("lib/statistics.py", at + 1, excerpt, text)
            here = lines[at + 10 : at + 18]
            added = [line.rstrip("\n") + "  # mended\n" for line in here[3:5]]
            answer = ground.head + f"@@ -{at + 11} +{at + 11} @@\n" + "".join(" " + line for line in here[:3])
            answer += "".join("-" + line for line in here[3:5]) + "".join("+" + line for line in added)
            answer += "".join(" " + line for line in here[5:8]) + "```"
            tokens, sampled = dictated(engine, as_lark(grammar_of(ground)), answer)
            totals[0] += tokens
            totals[1] += sampled
        print(
            f"| {title} | {totals[0] / 20:.0f} | {totals[1] / 20:.1f} | {totals[0] / totals[1]:.1f} |", flush=True
        )
        engine.close()


def dictated(engine: Engine, lark: str, answer: str) -> tuple[int, int]:
    """Tokens and samplings that an answer takes when the model wants to say exactly it."""
    matcher = Sampler(engine).matcher(lark)
    said, tokens, sampled = b"", 0, 0
    whole = answer.encode()
    while said != whole:
        forced = [token for token in matcher.compute_ff_tokens() if token not in engine.ends]
        if not forced:
            left = whole[len(said) :].decode()
            forced = engine.tokenizer.tokenize_str(left)[:1]
            sampled += 1
        assert matcher.consume_tokens(forced), matcher.get_error()
        tokens += len(forced)
        said += b"".join(map(engine.piece, forced))
        assert whole.startswith(said), (said[-80:], whole[len(said) - 40 : len(said) + 40])
    return tokens, sampled


def masks(work: Path, _: int) -> None:
    """What a constraint costs per token, ours beside llama.cpp's own GBNF sampler."""
    print("\n## What the constraint costs a token, in processor time (no model time in it)\n")
    print(
        "| vocabulary | excerpt | grammar built | mask, median | mask, 99 % | drawing a token | GBNF built "
        "| GBNF, median a token |"
    )
    print("|---|---|---|---|---|---|---|---|")
    text = Path(argparse.__file__).read_text(encoding="utf-8")
    for title, name in reversed(VOCABULARIES.items()):
        engine = Engine(model(work, name), window=2048, cells=2048, parallel=1, threads=1)
        _ = engine.tokenizer
        for length in (20, 150, 400):
            excerpt = "".join(diffs.lines_of(text)[700 : 700 + length])
            start = time.thread_time()
            ground = ground_for("lib/argparse.py", 701, excerpt, text)
            grammar = grammar_of(ground)
            sampler = Sampler(engine)
            matcher = sampler.matcher(as_lark(grammar))
            built = time.thread_time() - start
            mask_times, draw_times, said = _walk(engine, sampler, matcher, ground, 400)
            gbnf_built, gbnf_times = _gbnf_walk(engine, as_gbnf(grammar), said[:60])
            print(
                f"| {title} | {length} lines | {built * 1e3:.0f} ms | {_us(statistics.median(mask_times))} "
                f"| {_us(float(np.percentile(mask_times, 99)))} | {_us(statistics.median(draw_times))} "
                f"| {gbnf_built * 1e3:.0f} ms | {_us(statistics.median(gbnf_times)) if gbnf_times else '-'} |",
                flush=True,
            )
        engine.close()


def _us(seconds: float) -> str:
    return f"{seconds * 1e6:,.0f} µs"


def _walk(
    engine: Engine, sampler: Sampler, start: Any, ground: Ground, most: int
) -> tuple[list[float], list[float], list[int]]:
    """Processor time of finding out what is allowed and of drawing, for `most` tokens; the first answer's tokens."""
    random = np.random.default_rng(2)
    mask_times: list[float] = []
    draw_times: list[float] = []
    first: list[int] = []
    while len(mask_times) < most:
        matcher, said, ids, ended = start.deep_copy(), b"", list[int](), False
        while not ended and len(mask_times) < most:
            begin = time.thread_time()
            forced = [token for token in matcher.compute_ff_tokens() if token not in engine.ends]
            if forced:
                matcher.consume_tokens(forced)
            ids += forced
            said += b"".join(map(engine.piece, forced))
            if matcher.is_stopped():
                break
            mask = sampler.allowed(matcher, urged(ground, said, 1000, 1000))
            mask_times.append(time.thread_time() - begin)
            logits = random.standard_normal(engine.tokens, np.float32)
            middle = time.thread_time()
            token, _ = draw(logits, mask, 0.8, random)
            ended = token in engine.ends or not matcher.consume_token(token)
            draw_times.append(time.thread_time() - middle)
            ids += [] if ended else [token]
            said += engine.piece(token)
        first = first or ids
    return mask_times, draw_times, first


def _gbnf_walk(engine: Engine, gbnf: str, said: Sequence[int]) -> tuple[float, list[float]]:
    """Apply and accept the same tokens with llama.cpp's grammar sampler."""
    lib = llama_cpp()
    begin = time.thread_time()
    sampler = lib.llama_sampler_init_grammar(engine.vocab, gbnf.encode(), b"root")
    built = time.thread_time() - begin
    if not sampler:
        return built, []
    data = np.zeros(engine.tokens, [("id", np.int32), ("logit", np.float32), ("p", np.float32)])
    array = lib.llama_token_data_array()
    times: list[float] = []
    for token in said:
        data["id"] = np.arange(engine.tokens)
        data["logit"] = 0
        array.data = data.ctypes.data_as(type(array.data))
        array.size, array.selected, array.sorted = engine.tokens, -1, False
        begin = time.thread_time()
        lib.llama_sampler_apply(sampler, array)
        if not np.isfinite(data["logit"][token]):
            break
        lib.llama_sampler_accept(sampler, token)
        times.append(time.thread_time() - begin)
        if sum(times) > 20:
            break
    lib.llama_sampler_free(sampler)
    return built, times


LARGE = {
    # The shape of a 1.5-billion-parameter model with a vocabulary of 152 thousand.
    "width": 1536,
    "layers": 28,
    "heads": 12,
    "kv_heads": 2,
    "feed_forward": 8960,
    "quantized": "Q4_K",
    "context": 32768,
}


def parallel(work: Path, _: int) -> None:
    """Eight candidates beside one, on a model whose decoding waits for memory, and on a usual one."""
    for kind in ("BF16", "Q4_K"):
        path = model(work, "qwen2", **LARGE | {"quantized": kind})
        _steps(path, kind)
        _whole_tasks(path)


def _steps(path: str, kind: str) -> None:
    engine = Engine(path, window=4096, cells=4096 + SPARE, parallel=8, threads=1)
    print(f"\n## Eight candidates beside one ({os.path.getsize(path) / 1e9:.2f} GB of {kind} weights, 1 thread)\n")
    print("| sequences at once | one step, processor time | beside one sequence |")
    print("|---|---|---|")
    engine.feed([(0, 0, list(range(1000, 1512)))])
    single = 0.0
    for count in (1, 2, 4, 8):
        sequences = list(range(1, count + 1))
        engine.share(sequences)
        times = []
        for step in range(6):
            begin = time.process_time()
            engine.feed([(sequence, 512 + step, [2000 + step + sequence]) for sequence in sequences])
            times.append(time.process_time() - begin)
        for sequence in sequences:
            engine.drop(sequence)
        best = min(times)
        single = single or best
        print(f"| {count} | {best * 1e3:.0f} ms | {best / single:.2f} |", flush=True)
    engine.close()


def _whole_tasks(path: str) -> None:
    text = Path(statistics.__file__).read_text(encoding="utf-8")
    task = MicroTask(
        id="t",
        path="lib/statistics.py",
        first_line=301,
        excerpt="".join(diffs.lines_of(text)[300:340]),
        instruction="Mend this.",
        answer_tokens=160,
    )
    print("\n| answers to one task, its prompt included | wall time | processor time | tokens | beside one |")
    print("|---|---|---|---|---|")
    single = 0.0
    for count in (1, 8):
        worker = LlamaWorker(path, threads=1, parallel=8, listener=(told := list[Event]()).append)
        _ = worker.model.engine.tokenizer
        worker.model.count([Message(role="user", content="x")])
        begin, spent = time.perf_counter(), time.process_time()
        next(worker.candidates(task, text, limit=count))
        wall, spent = time.perf_counter() - begin, time.process_time() - spent
        tokens = sum(event.spending.answer_tokens for event in told if isinstance(event, ModelReplied))
        single = single or spent
        print(f"| {count} | {wall:.1f} s | {spent:.1f} s | {tokens} | {spent / single:.2f} |", flush=True)
        release()


def guesses(work: Path, _: int) -> None:
    """Whether guessing the next tokens from the file would pay, on a model that waits for memory and a usual one."""
    print("\n## Guessing the next tokens from the file")
    for kind in ("Q4_K", "BF16"):
        path = model(work, "qwen2", **LARGE | {"quantized": kind})
        engine = Engine(path, window=4096, cells=4096 + SPARE, parallel=8, threads=1)
        speculation(engine, f"{os.path.getsize(path) / 1e9:.2f} GB of {kind} weights, 1 thread", 60)
        engine.close()


PARTS: dict[str, Callable[[Path, int], None]] = {
    "apply": applying,
    "hunk": hunk,
    "masks": masks,
    "parallel": parallel,
    "guesses": guesses,
    "memory": lambda work, _: memory(model(work, "qwen2", **LARGE)),
    "tight": lambda work, _: tight(model(work, "qwen2", **LARGE)),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Print the tables asked for, all by default."""
    parser = argparse.ArgumentParser(prog="python -m bench.local", description=__doc__)
    parser.add_argument("parts", nargs="*", help=f"Tables to make, of {', '.join(PARTS)}; all by default.")
    parser.add_argument("--count", type=int, default=1000, help="Generations for each vocabulary.")
    parser.add_argument("--keep", help="Directory to keep the models in, gigabytes of them.")
    options = parser.parse_args(argv)
    if unknown := set(options.parts) - set(PARTS):
        parser.error(f"no such table: {', '.join(sorted(unknown))}")
    with tempfile.TemporaryDirectory(prefix="gitagent-bench-") as folder:
        work = Path(options.keep or folder)
        work.mkdir(parents=True, exist_ok=True)
        print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")
        for part in options.parts or PARTS:
            PARTS[part](work, options.count)
            release()
            gc.collect()
    return 0


if __name__ == "__main__":
    sys.exit(main())
