"""One run of the pipeline for a request that came from elsewhere than the command line."""

import contextlib
import os
import time
from typing import TYPE_CHECKING

from gitagent.core import intake

if TYPE_CHECKING:
    from gitagent.adapters.git import GitRepository
    from gitagent.records import Report, Request


def new_run() -> str:
    """A name for a run: when it began, in UTC, and four random hex digits."""
    return time.strftime("%Y%m%d-%H%M%S-", time.gmtime()) + os.urandom(2).hex()


def branch_of_key(repository: "GitRepository", request: "Request") -> str:
    """The branch that an earlier run of this request left on the remote, whatever its title was; else a new one."""
    start = f"refs/remotes/origin/gitagent/{request.key}-"
    found = [name.removeprefix("refs/remotes/origin/") for name in repository.refs(start)]
    return sorted(found)[0] if found else intake.branch_of(request)


def run(repository: "GitRepository", request: "Request", *, branch: str, base_branch: str) -> "Report":
    """Run it with the settings in force; the pull request stays in the repository."""
    from gitagent import pipeline
    from gitagent.adapters.local_forge import LocalForge
    from gitagent.cli import building, carrying, view
    from gitagent.events import Stream

    config = building.config_for(repository, {})
    remote = repository.tip_of(f"refs/remotes/origin/{branch}")
    if remote and not repository.tip_of(f"refs/heads/{branch}"):
        repository.git.references.create(f"refs/heads/{branch}", remote)
    reader = view.view_for(as_json=False)
    with contextlib.closing(reader):
        return pipeline.pursue(
            request,
            building.ports_for(repository, config, Stream(view.OnceStarted(reader)), LocalForge(repository)),
            carrying.options_for(
                config, candidates=None, run=new_run(), base_branch=base_branch, branch=branch, carry_on=True
            ),
        )
