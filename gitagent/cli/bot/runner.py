"""What a job is told by the runner it is on, and what it tells it."""

import os
import re
from typing import TYPE_CHECKING

from gitagent.errors import ForgeError

if TYPE_CHECKING:
    from gitagent.adapters.github_bot import GitHubBot


def forge(repo: str, slug: str, api_url: str) -> "GitHubBot":
    from gitagent.adapters.git import GitRepository
    from gitagent.adapters.github import host_of, token_from
    from gitagent.adapters.github_bot import GitHubBot
    from gitagent.cli.forges import api_address

    found = re.fullmatch(r"([A-Za-z0-9][A-Za-z0-9_-]*)/([A-Za-z0-9._-]+)", slug)
    if found is None:
        raise ForgeError(
            f"{slug!r} is no OWNER/NAME. Nothing was run.", hint="export GITHUB_REPOSITORY=OWNER/NAME"
        )
    base_url = api_address(api_url)
    return GitHubBot(
        GitRepository(repo), found[1], found[2], token=token_from(os.environ, host_of(base_url)), base_url=base_url
    )


def output(values: dict[str, str]) -> None:
    """Outputs of a step: one line each, so that no value can begin another."""
    lines = [f"{name}={' '.join(value.split())[:500]}\n" for name, value in values.items()]
    if path := os.environ.get("GITHUB_OUTPUT"):
        with open(path, "a", encoding="utf-8") as out:
            out.writelines(lines)


def summary(text: str) -> None:
    if path := os.environ.get("GITHUB_STEP_SUMMARY"):
        with open(path, "a", encoding="utf-8") as out:
            out.write(text[:900_000] + "\n")
