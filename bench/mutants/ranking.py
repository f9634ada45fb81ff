"""Where the undoing of a seeded bug stands among the proposals; no test is run for it once a plan is known."""

import heapq
import json
import math
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

from bench.measuring import table
from bench.mutants import mending
from bench.mutants.operators import meaning_of
from bench.mutants.seeding import Bug
from gitagent.adapters.templates import TemplatesWorker
from gitagent.records import Candidate, MicroTask, Note, Suspect

MOST = 2000
# What may differ between texts that mean the same; the syntax tree has the last word.
_LAYOUT = str.maketrans("", "", " \t\r\n()'\",\\")
Proposals = Callable[[MicroTask, str], Iterator[Candidate]]


def planned(bug: Bug, results: Path, *, minutes: float = 2.0) -> tuple[list[MicroTask], dict[str, str], str]:
    """The plan of a run on the bug, the texts it is about, and the right text; kept once made."""
    kept = results / "plans" / f"{bug.id}-{bug.digest}.json"
    if not kept.exists():
        kept.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="gitagent-mutants-", ignore_cleanup_errors=True) as folder:
            root, right, _ = mending.repository(bug, Path(folder) / "work")
            events, _ = mending.fix(root, Path(folder), "none", minutes, ("--max-candidates", "1"))
            plan = next((event["plan"] for event in events if event["event"] == "planned"), {"tasks": []})
            texts = {task["path"]: (root / task["path"]).read_bytes().decode() for task in plan["tasks"]}
            kept.write_text(json.dumps({"tasks": plan["tasks"], "texts": texts, "right": right}))
    told = json.loads(kept.read_text())
    tasks = [
        MicroTask(
            **{
                **task,
                "notes": tuple(Note(**note) for note in task["notes"]),
                "suspects": tuple(Suspect(**suspect) for suspect in task["suspects"]),
                "depends_on": tuple(task["depends_on"]),
            }
        )
        for task in told["tasks"]
    ]
    return tasks, told["texts"], told["right"]


def place(bug: Bug, tasks: Sequence[MicroTask], texts: Mapping[str, str], right: str, proposals: Proposals) -> int:
    """How many candidates come until the bug is undone, that one included; 0 if it is not among the first many."""
    meaning, bare = meaning_of(right), _bare(right)
    merged = heapq.merge(*(proposals(task, texts[task.path]) for task in tasks), key=lambda one: -one.score)
    seen: set[tuple[str, str | None]] = set()
    for candidate in merged:
        ((path, text),) = candidate.texts.items()
        if (path, text) in seen:
            continue
        seen.add((path, text))
        alike = path == bug.path and text is not None and _bare(text) == bare
        if alike and meaning_of(text or "") == meaning:
            return len(seen)
        if len(seen) >= MOST:
            break
    return 0


def _bare(text: str) -> str:
    return text.replace("pass", "").translate(_LAYOUT)


def report(bugs: Sequence[Bug], results: Path, split: Mapping[str, str]) -> None:
    """Print the places, with the n-gram model and without it."""
    kinds = {"with the model of the file": True, "without": False}
    places: dict[tuple[str, str], list[int]] = {}
    for bug in bugs:
        tasks, texts, right = planned(bug, results)
        found = []
        for kind, natural in kinds.items():
            worker = TemplatesWorker(natural=natural)
            began = time.monotonic()
            at = place(bug, tasks, texts, right, partial(worker.candidates, limit=MOST))
            places.setdefault((split[bug.package], kind), []).append(at)
            found.append(f"{at or '-':>6} ({time.monotonic() - began:.1f} s)")
        print(f"{bug.id:18} {bug.operator:20} {' '.join(found)}", flush=True)
    steps = (10, 50, 200, 1000, MOST)
    head = ["packages", "ranked", "bugs", *map(str, steps), "geometric mean"]
    rows = []
    for (name, kind), these in sorted(places.items()):
        mean = math.exp(sum(math.log(at or 2 * MOST) for at in these) / len(these))
        within = [str(sum(0 < at <= most for at in these)) for most in steps]
        half = {"dev": "developed on", "held": "held back"}[name]
        rows.append([half, kind, str(len(these)), *within, f"{mean:.0f}"])
    note = f"One not among the first {MOST} counts as {2 * MOST} in the mean."
    table("Bugs undone within so many candidates:", head, rows, notes=[note])
