"""Where the undoing of a seeded bug stands among the proposals; no test is run for it once a plan is known."""

import heapq
import json
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from bench.measuring import median, table
from bench.mutants import mending
from bench.mutants.operators import meaning_of
from bench.mutants.seeding import Bug
from gitagent.adapters.templates import TemplatesWorker
from gitagent.records import Candidate, MicroTask, Note, Suspect

MOST = 6000
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
    """Print the places."""
    worker = TemplatesWorker()
    places: dict[str, list[int]] = {"dev": [], "held": []}
    for bug in bugs:
        tasks, texts, right = planned(bug, results)
        began = time.monotonic()
        found = place(bug, tasks, texts, right, lambda task, text: worker.candidates(task, text, limit=MOST))
        places[split[bug.package]].append(found)
        took = time.monotonic() - began
        at = [
            (task.id, suspect.score, sum(s.score > suspect.score for t in tasks for s in t.suspects))
            for task in tasks
            for suspect in task.suspects
            if suspect.path == bug.path and suspect.line == bug.line
        ]
        print(
            f"{bug.id:18} {bug.operator:20} {found or '-':>6} {took:5.1f} s  line {bug.line} {at[:1]}", flush=True
        )
    rows = [
        [
            name,
            str(len(found)),
            *(f"{sum(0 < p <= most for p in found)}" for most in (10, 50, 200, 1000, MOST)),
            f"{median([p or MOST for p in found]):.0f}",
        ]
        for name, found in places.items()
        if found
    ]
    table(
        "Candidates until the bug is undone:",
        ["packages", "bugs", "10", "50", "200", "1000", str(MOST), "median"],
        rows,
    )
