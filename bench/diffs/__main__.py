"""How often mangled diffs are applied exactly, refused, or applied wrongly: gitagent beside other appliers.

    python -m bench.diffs [--cases 2200] [--refusals 600] [--seed 1] [--peers] [--only KIND]

Successive releases of published packages are fetched by name; their differences are the changes. Each case
takes one to three hunks of a changed file, mangles their diff in one to three ways, and knows the right
answer because the hunks were taken from it. A case is kept only if, by trying every line of the file, no
other place agrees with the mangled hunk as well as the true one. Times are processor time, that of started
programs included; files are at most 2,000 lines long where speed is told.
"""

import argparse
import difflib
import json
import random
import resource
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

from bench.diffs import adversarial
from bench.diffs.appliers import Applier, appliers, outcome
from bench.diffs.cases import Case
from bench.diffs.making import mangled, refusable
from gitagent.core.diffs import apply_reply, lines_of
from gitagent.errors import DiffError

LONGEST_FILE = 2_000
CLAIMED_PER_SECOND, CLAIMED_MEDIAN, CLAIMED_WORST = 300, 0.002, 0.2


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.diffs", description=__doc__.split("\n")[0])
    parser.add_argument("--cases", type=int, default=2200)
    parser.add_argument("--refusals", type=int, default=600)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--peers", action="store_true")
    parser.add_argument("--only", default="", help="Only kinds of flaw with this in their name.")
    parser.add_argument("--show", type=int, default=0, help="Print this many failures.")
    parser.add_argument("--json", default="", help="Write the table here too.")
    parser.add_argument("--cache", type=Path, default=Path.home() / ".cache" / "gitagent-bench" / "releases")
    options = parser.parse_args(argv)
    rng = random.Random(options.seed)
    groups = {
        "mangled": mangled(options.cache, rng, options.cases, options.only),
        "must refuse": [] if options.only else refusable(options.cache, rng, options.refusals),
    }
    record: dict[str, object] = {}
    for name, applier in appliers(options.peers).items():
        everyday: list[float] = []
        for group, cases in groups.items():
            table, times = tried(name, applier, cases, options)
            everyday += times
            if cases:
                record[f"{name}: {group}"] = report(name, group, table, detail=name == "gitagent")
        speed(name, everyday, claimed=name == "gitagent")
    slowest()
    if options.json:
        Path(options.json).write_text(json.dumps(record, indent=1) + "\n")


def tried(
    name: str, applier: Applier, cases: Sequence[Case], options: argparse.Namespace
) -> tuple[dict[str, Counter[str]], list[float]]:
    """The outcomes by kind of flaw, and the seconds for each case whose file is not too long to count."""
    table: dict[str, Counter[str]] = defaultdict(Counter)
    times: list[float] = []
    for case in cases:
        reply = case.reply()
        began = seconds()
        result = applier(case, reply)
        if case.old.count("\n") <= LONGEST_FILE:
            times.append(seconds() - began)
        got = outcome(case, result)
        table[case.kind][got] += 1
        bad = got == "WRONG" or (case.new is not None and got == "refused")
        if name == "gitagent" and bad and options.show > 0:
            options.show -= 1
            show(case, reply, result)
    return table, times


def seconds() -> float:
    """Processor time spent by us and by the programs we started."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def show(case: Case, reply: str, result: str | None) -> None:
    print("=" * 30, case.kind, case.path)
    print(reply)
    if result is None:
        try:
            apply_reply(reply, {case.path: case.old}.get)
        except DiffError as error:
            print("-> refused:", error)
        return
    print("-> WRONG, wanted against got:")
    print("".join(difflib.unified_diff(lines_of(case.new or ""), lines_of(result), "wanted", "got")))


def report(name: str, group: str, table: dict[str, Counter[str]], *, detail: bool) -> dict[str, object]:
    total = sum(table.values(), Counter[str]())
    count = total.total()
    shares = ", ".join(
        f"{key} {total[key]} ({100 * total[key] / count:.1f} %)" for key in ("exact", "refused", "WRONG")
    )
    print(f"{name}, {group}, {count} cases of {len(table)} kinds: {shares}", flush=True)
    if detail:
        for kind in sorted(table, key=lambda kind: (-table[kind]["WRONG"], -table[kind]["refused"], kind)):
            row = table[kind]
            print(f"  {kind:36} exact {row['exact']:4}  refused {row['refused']:4}  WRONG {row['WRONG']:4}")
    return {"total": dict(total), "kinds": {kind: dict(row) for kind, row in table.items()}}


def speed(name: str, times: list[float], *, claimed: bool) -> None:
    """What diffs of files of at most 2,000 lines cost, beside what we claim."""
    if not times:
        return
    times = sorted(times)
    rate, median, worst = len(times) / sum(times), times[len(times) // 2], times[-1]
    line = f"{name}, {len(times)} diffs of files up to {LONGEST_FILE:,} lines: "
    line += f"{rate:.0f} a second, median {median * 1000:.2f} ms, worst {worst * 1000:.1f} ms"
    if claimed:
        met = rate >= CLAIMED_PER_SECOND and median < CLAIMED_MEDIAN and worst < CLAIMED_WORST
        line += f" (claimed: {CLAIMED_PER_SECOND} a second, {CLAIMED_MEDIAN * 1000:.0f} ms,"
        line += f" {CLAIMED_WORST * 1000:.0f} ms: {'met' if met else 'NOT met'})"
    print(line, flush=True)


def slowest() -> None:
    """What inputs made to take long cost gitagent."""
    worst = 0.0
    print("gitagent, replies made to take long:")
    for what, reply, text in adversarial.inputs():
        began = time.process_time()
        try:
            apply_reply(reply, {"f": text}.get)
            told = "applied"
        except DiffError as error:
            told = getattr(error, "kind", "refused")
        took = time.process_time() - began
        worst = max(worst, took)
        print(f"  {what:40} {took * 1000:6.1f} ms  {told}")
    print(
        f"gitagent, worst of these {worst * 1000:.1f} ms"
        f" (claimed: {CLAIMED_WORST * 1000:.0f} ms: {'met' if worst < CLAIMED_WORST else 'NOT met'})"
    )


if __name__ == "__main__":
    main()
