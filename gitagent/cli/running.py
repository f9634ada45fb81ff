"""One run of the pipeline for a request that came from elsewhere than the command line."""

import os
import time
from typing import TYPE_CHECKING, Any

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
    from gitagent.adapters.local_forge import LocalForge
    from gitagent.cli import building, carrying

    flags = {"forge.name": "local"}
    config = building.config_for(repository, flags)
    remote = repository.tip_of(f"refs/remotes/origin/{branch}")
    if remote and not repository.tip_of(f"refs/heads/{branch}"):
        repository.git.references.create(f"refs/heads/{branch}", remote)
    more: dict[str, Any] = {"base_branch": base_branch, "candidates": None, "branch": branch, "carry_on": True}
    with carrying.ended_by_signals():
        return carrying.carried_out(
            repository=repository,
            config=config,
            forge=LocalForge(repository),
            request=request,
            options=carrying.options_for(config, run=new_run(), **more),
            start=carrying.started(request, flags, more),
            files={},
        )
