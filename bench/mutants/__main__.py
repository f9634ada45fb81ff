"""`python -m bench mutants`: how many seeded bugs the patterns mend, and how many of those rightly."""

import argparse
import json
import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from bench.measuring import median, table
from bench.mutants import mending, ranking, seeding
from bench.mutants.packages import CACHE, PACKAGES

RESULTS = CACHE.parent / "mutants"
SPLIT = {package.name: package.split for package in PACKAGES}


def main(words: Sequence[str]) -> None:
    """Seed, mend or rank, as the words say."""
    parser = argparse.ArgumentParser(prog="python -m bench mutants", description=__doc__)
    parser.add_argument("--seed", type=int, help="Choose the bugs anew and write the manifest; nothing is mended.")
    parser.add_argument(
        "--ranks", action="store_true", help="Only where the undoing of each bug stands in the queue."
    )
    parser.add_argument("--only", default="", help="Bugs whose id begins with one of these words, by commas.")
    parser.add_argument("--split", choices=("dev", "held"), help="Only this half of the packages.")
    parser.add_argument(
        "--limit", type=int, default=10**6, help="At most so many bugs, one of each package in turn."
    )
    parser.add_argument("--minutes", type=float, default=2.0, help="For one bug.")
    parser.add_argument("--sandbox", default="bubblewrap", help="As for gitagent fix.")
    parser.add_argument("--results", type=Path, default=RESULTS, help="Directory; what it has is not done again.")
    options = parser.parse_args(words)
    if options.seed is not None:
        seeding.write(seeding.choose(options.seed))
        return
    options.results.mkdir(parents=True, exist_ok=True)
    bugs = [
        bug
        for bug in seeding.manifest()
        if bug.id.startswith(tuple(options.only.split(","))) and options.split in (None, SPLIT[bug.package])
    ]
    bugs = sorted(bugs, key=lambda bug: int(bug.id.rpartition("-")[2]))[: options.limit]
    if options.ranks:
        ranking.report(bugs, options.results, SPLIT)
        return
    print(f"load {os.getloadavg()[0]:.1f} before, {options.minutes:g} minutes each, sandbox {options.sandbox}")
    results = [_mended(bug, options.results, options.sandbox, options.minutes) for bug in bugs]
    report(results)
    print(f"\nload {os.getloadavg()[0]:.1f} after")


def _mended(bug: seeding.Bug, results: Path, sandbox: str, minutes: float) -> mending.Mended:
    kept = results / f"{bug.id}-{bug.digest}.json"
    if kept.exists():
        return mending.Mended(**json.loads(kept.read_text()))
    done = mending.mend(bug, SPLIT[bug.package], sandbox=sandbox, minutes=minutes)
    kept.write_text(json.dumps(asdict(done), indent=1))
    state = "same" if done.same else "correct" if done.correct else "plausible" if done.plausible else "-"
    how = done.pattern if done.plausible else done.said
    print(
        f"{bug.id:18} {bug.operator:20} {state:10} {done.tried:5} tried {done.seconds:6.1f} s  {how}", flush=True
    )
    return done


def report(results: Sequence[mending.Mended]) -> None:
    """Print the tables that docs/benchmarks.md quotes."""
    rows = []
    for name, chosen in (
        ("developed on", [one for one in results if one.split == "dev"]),
        ("held back", [one for one in results if one.split == "held"]),
        ("all", list(results)),
    ):
        if not chosen:
            continue
        mended = [one for one in chosen if one.plausible]
        rows.append(
            [
                name,
                str(len(chosen)),
                _share(len(mended), len(chosen)),
                _share(sum(one.correct for one in chosen), len(chosen)),
                _share(sum(one.same for one in chosen), len(chosen)),
                f"{median([one.tried for one in mended]):.0f}",
                f"{median([one.seconds for one in mended]):.0f} s",
                f"{median([one.seconds for one in chosen]):.0f} s",
            ]
        )
    head = [
        "packages",
        "bugs",
        "plausible",
        "correct",
        "as released",
        "candidates",
        "seconds",
        "with the unmended",
    ]
    table("Seeded bugs, mended with no model (medians of the mended):", head, rows)
    kinds = sorted({one.operator for one in results})
    lines = []
    for kind in kinds:
        of = [one for one in results if one.operator == kind]
        lines.append([kind, str(len(of)), str(sum(o.plausible for o in of)), str(sum(o.correct for o in of))])
    table("By operator:", ["operator", "bugs", "plausible", "correct"], lines)


def _share(count: int, of: int) -> str:
    return f"{count} ({100 * count / of:.0f} %)"
