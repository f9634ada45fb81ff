"""One commit's tests in a fresh sandbox, with nothing proposed: what a push is checked by."""

from gitagent import proving
from gitagent.core import testing
from gitagent.ports import Repository, Sandbox
from gitagent.records import SandboxLimits, TestRun
from gitagent.tree import Tree


def check(
    repository: Repository, sandbox: Sandbox, commit: str, *, test_command: str, limits: SandboxLimits
) -> TestRun:
    """The whole suite on a commit. Raises RequestError if no way to run tests is found."""
    tree = Tree(repository, commit)
    command = testing.detect(tree.entries, tree.on_base, configured=test_command)
    with sandbox.open(lambda directory: repository.checkout(commit, directory), limits) as workspace:
        return proving.run_tests(
            workspace,
            command,
            tree=repository.tree(commit),
            sandbox=sandbox.identity(),
            timeout_seconds=limits.timeout_seconds,
        )
