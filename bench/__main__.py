"""`python -m bench`: prints the tables that docs/benchmarks.md quotes."""

import argparse
import os
import platform
import sys
import tempfile
import time
from pathlib import Path

from bench import commits, hooks, peers, repositories, runs, startup, tampering, throughput
from bench.diffs import __main__ as diffs

PARTS = ("startup", "hooks", "runs", "commits", "throughput")
# Made only when asked for by name: they fetch releases of packages, need a model, or take long.
ON_DEMAND = ("diffs", "local", "mutants", "tampering", "index", "localize", "kill", "secrets")


def main() -> int:
    if sys.argv[1:2] == ["mutants"]:
        from bench.mutants import __main__ as mutants

        mutants.main(sys.argv[2:])
        return 0
    parser = argparse.ArgumentParser(prog="make bench", description="What gitagent costs besides model and tests.")
    parser.add_argument(
        "parts",
        nargs="*",
        help=f"Tables to make, of {', '.join(PARTS)}; these by default. Also: {', '.join(ON_DEMAND)}.",
    )
    parser.add_argument("--sizes", default="20,500,5000", help="Python files in the generated repositories.")
    parser.add_argument("--rounds", type=int, default=5, help="Runs of each contender and size.")
    parser.add_argument("--seed", type=int, default=1, help="Which mangled diffs to make, for diffs.")
    parser.add_argument("--peers", action="store_true", help="Install and measure other programs for the job too.")
    parser.add_argument("--moments", type=int, default=200, help="Random moments to kill at, for kill.")
    options = parser.parse_args()
    wanted = options.parts or PARTS
    if unknown := set(wanted) - {*PARTS, *ON_DEMAND}:
        parser.error(f"no such table: {', '.join(sorted(unknown))}")
    sizes = [int(size) for size in options.sizes.split(",")]
    load = f"{os.getloadavg()[0]:.1f}"
    print(
        f"Python {platform.python_version()} on {platform.system()} {platform.machine()}, "
        f"{os.cpu_count()} processors, load {load} before"
    )
    if "startup" in wanted:
        startup.report(rounds=4 * options.rounds)
    if "hooks" in wanted:
        hooks.main(options.rounds)
    if "throughput" in wanted:
        throughput.report(rounds=min(options.rounds, 3))
    if "diffs" in wanted:
        diffs.main(["--seed", str(options.seed), *(["--peers"] if options.peers else [])])
    if "tampering" in wanted:
        tampering.main([])
    if "local" in wanted:
        from bench import local  # needs what `pip install .[local]` brings

        local.main([])
    if "localize" in wanted:
        from bench.localize import __main__ as localize
        from bench.localize import segments

        localize.main([])
        segments.main()
    if "index" in wanted:
        from bench import indexing

        with tempfile.TemporaryDirectory(prefix="gitagent-bench-", ignore_cleanup_errors=True) as folder:
            indexing.report(Path(folder), rounds=options.rounds)
    if "kill" in wanted:
        from bench import kill  # needs the tests

        kill.main(["--seed", str(options.seed), "--moments", str(options.moments)])
    if "secrets" in wanted:
        from bench import secrets  # needs the tests

        secrets.report()
    if not {"runs", "commits"} & set(wanted):
        return 0
    with tempfile.TemporaryDirectory(prefix="gitagent-bench-", ignore_cleanup_errors=True) as folder:
        work = Path(folder)
        sources = {}
        for size in sizes:
            began = time.monotonic()
            sources[size] = (work / f"source-{size}", repositories.generate(work / f"source-{size}", size, bugs=2))
            print(f"made a repository of {size:,} Python files in {time.monotonic() - began:.1f} s", flush=True)
        if "commits" in wanted:
            commits.report(sources, rounds=8 * options.rounds)
        if "runs" in wanted:
            contenders = [runs.floor(), runs.gitagent()]
            if options.peers:
                contenders += peers.installed(Path(__file__).resolve().parent.parent / ".cache" / "bench-peers")
            else:
                print("\npeers: left out; make bench ARGS=--peers installs and measures them")
            runs.report(sources, work, contenders, rounds=options.rounds)
    return 0


if __name__ == "__main__":
    sys.exit(main())
