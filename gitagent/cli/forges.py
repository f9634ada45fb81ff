"""Which forge a repository belongs to."""

import os
from typing import TYPE_CHECKING

from gitagent.adapters.local_forge import LocalForge
from gitagent.errors import ForgeError
from gitagent.ports import Forge

if TYPE_CHECKING:
    from gitagent.adapters.git import GitRepository
    from gitagent.config import Config


def forge_for(repository: "GitRepository", config: "Config") -> Forge:
    """GitHub where the remote is GitHub (or `forge.base_url` names its host), else the local stand-in."""
    name, remote = config.forge.name, config.forge.remote
    if name == "local":
        return LocalForge(repository)
    url = repository.remote_url(remote)
    if name == "auto" and "github.com" not in url and not config.forge.base_url:
        return LocalForge(repository)
    from gitagent.adapters.github import PUBLIC, GitHubForge, parse_remote, token_from

    found = parse_remote(url)
    if found is None or (name == "auto" and found[0] != PUBLIC and not config.forge.base_url):
        if name == "auto":
            return LocalForge(repository)
        raise ForgeError(
            f"the address of remote {remote!r} ({url or 'none'}) names no GitHub repository. Nothing was run.",
            hint=f"git remote set-url {remote} https://github.com/OWNER/NAME.git, or --forge local",
        )
    host, owner, repository_name = found
    return GitHubForge(
        repository,
        owner,
        repository_name,
        token=token_from(os.environ, host),
        base_url=config.forge.base_url,
        remote=remote,
    )
