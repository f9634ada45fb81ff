"""Which files hold credentials by their very name: none of their text enters a prompt."""

import re

_NAMES = re.compile(
    r"""(?xi)
      \.env(?:\.(?!example|sample|template|dist|test\b)[\w.-]+)?  |  [\w.-]+\.env
    | id_(?:rsa|dsa|ecdsa|ed25519)(?:_sk)?
    | .*\.(?:pem|key|p12|pfx|jks|keystore|kdbx?|ppk|ovpn|agekey|mobileprovision|tfvars|tfstate(?:\.backup)?)
    | \.(?:netrc|pgpass|git-credentials|htpasswd|pypirc|npmrc|s3cfg|boto|dockercfg|vault_pass|my\.cnf|envrc)
    | _netrc | htpasswd
    | (?:client_?secrets?|service[_-]?account|credentials?|secrets?)(?:[_.-][\w.-]*)?
      \.(?:json|ya?ml|toml|ini|env|txt|cfg|xml)
    | secrets?\.(?:properties|auto\.tfvars) | kubeconfig | master\.key
    """
)
_PLACES = re.compile(
    r"(?i)(?:^|/)(?:\.aws/(?:credentials|config)|\.docker/config\.json|\.kube/config|\.ssh/(?!config$).*"
    r"|\.gnupg/.*|\.azure/.*|\.config/gcloud/.*)$"
)
_HARMLESS = re.compile(r"(?i)(?:example|sample|template|schema|\.pub$|\.dist$)")


def holds_credentials(path: str) -> bool:
    """Whether a file of this name is one that credentials are kept in: `.env`, a key, a password file."""
    name = path.rsplit("/", 1)[-1]
    if _HARMLESS.search(name):
        return False
    return _NAMES.fullmatch(name) is not None or _PLACES.search(path) is not None
