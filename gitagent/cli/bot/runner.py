"""What a job is told by the runner it is on, and what it tells it."""

import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gitagent.errors import ForgeError

if TYPE_CHECKING:
    from gitagent.adapters.git import GitRepository
    from gitagent.adapters.git_plans import GitPlans
    from gitagent.adapters.github_bot import GitHubBot


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """The repository as a job has it: its checkout, the site it is on, and the plans that wait there.

    `listening` is the same site for what nobody should wait for. `run` is the id of the workflow's run, "" outside of
    one, and `page` the address of where such runs are shown.
    """

    repository: "GitRepository"
    forge: "GitHubBot"
    listening: "GitHubBot"
    plans: "GitPlans"
    run: str
    page: str


def site(repo: str, slug: str, api_url: str) -> Site:
    """The site of the repository `slug`. Raises ForgeError if that is no OWNER/NAME."""
    from gitagent.adapters.git import GitRepository
    from gitagent.adapters.git_plans import GitPlans
    from gitagent.adapters.github import host_of, token_from
    from gitagent.adapters.github_bot import GitHubBot
    from gitagent.cli.forges import api_address

    found = re.fullmatch(r"([A-Za-z0-9][A-Za-z0-9_-]*)/([A-Za-z0-9._-]+)", slug)
    if found is None:
        raise ForgeError(
            f"{slug!r} is no OWNER/NAME. Nothing was run.", hint="export GITHUB_REPOSITORY=OWNER/NAME"
        )
    base_url, repository = api_address(api_url), GitRepository(repo)
    host = host_of(base_url)
    token = token_from(os.environ, host)
    run, page = os.environ.get("GITHUB_RUN_ID", ""), os.environ.get("GITHUB_SERVER_URL", "https://github.com")

    def forge(**more: Any) -> GitHubBot:
        return GitHubBot(repository, found[1], found[2], token=token, base_url=base_url, **more)

    return Site(
        repository=repository,
        forge=forge(),
        listening=forge(timeout_seconds=5.0, retry_seconds=()),
        plans=GitPlans(repository, token=token, host=host),
        run=run if run.isdecimal() else "",
        page=f"{page}/{found[1]}/{found[2]}/actions/runs",
    )


def output(values: dict[str, str]) -> None:
    """Outputs of a step: one line each, so that no value can begin another."""
    lines = [f"{name}={' '.join(value.split())[:500]}\n" for name, value in values.items()]
    if path := os.environ.get("GITHUB_OUTPUT"):
        with open(path, "a", encoding="utf-8") as out:
            out.writelines(lines)


def summary(text: str) -> None:
    """Text for the page of the workflow's run."""
    if path := os.environ.get("GITHUB_STEP_SUMMARY"):
        with open(path, "a", encoding="utf-8") as out:
            out.write(text[:900_000] + "\n")
