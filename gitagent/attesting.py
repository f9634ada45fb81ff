"""A run's verdict as a certificate: a note on the commit it is about, and a section of the pull request."""

from gitagent import __version__
from gitagent.core import certificates
from gitagent.core.secrets import redacted
from gitagent.errors import GitagentError
from gitagent.events import Noted
from gitagent.ports import Ports
from gitagent.records import Commit, Verdict


def attest(ports: Ports, verdict: Verdict | None, *, base: str, tip: Commit) -> str:
    """Write the certificate of a verdict on these commits; its section for the pull request.

    "" if there is no verdict on just that tree: what was not tested is not attested; nor what cannot be told without
    a credential. A note that cannot be written is
    only told, since the pull request carries the certificate too.
    """
    if verdict is None or verdict.tip.tree != tip.tree:
        return ""
    certificate = certificates.of(verdict, base=base, tip=tip.oid, version=__version__)
    text = certificates.text_of(certificate)
    if redacted(text) != text:
        told = "no certificate is written: a test is called by what looks like a credential"
        ports.stream(Noted(level="warning", text=told))
        return ""
    if ports.notes is not None:
        try:
            ports.notes.write(tip.oid, text)
        except GitagentError as error:
            ports.stream(
                Noted(level="warning", text=f"the certificate is not attached to {tip.oid[:12]}: {error}")
            )
    return certificates.section(certificate)
