"""The TLS certificate: readable, of its key, in time, for the right names, trusted by clients."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from agentpost import clock
from agentpost.cli.diagnosis.addresses import served_certificate
from agentpost.cli.diagnosis.finding import Finding, ok, problem, warning
from agentpost.config import Config

AREA: Final = "certificate"
_SOON: Final = timedelta(days=21)
"""Authorities renew a month before the end: three weeks left means that it failed."""
_REAL: Final = (
    "Get one from an authority (Let's Encrypt, or your own that the clients trust) and set "
    "tls_cert and tls_key."
)


def look(settings: Config) -> list[Finding]:
    """The certificate that is served, or will be."""
    own = settings.tls_cert is None or settings.tls_key is None
    directory = settings.data_dir / "tls"
    chain = settings.tls_cert or directory / "certificate.pem"
    key = settings.tls_key or directory / "key.pem"
    if own and not _present(chain):
        text = "none is set: the first start makes a self-signed one, which no client trusts"
        return [warning(AREA, text, _REAL)]
    try:
        certificates = x509.load_pem_x509_certificates(chain.read_bytes())
        private = serialization.load_pem_private_key(key.read_bytes(), None)
    except OSError as error:
        text = f"{error.filename}: {error.strerror}"
        return [problem(AREA, text, "Correct tls_cert and tls_key, or who may read these files.")]
    except (ValueError, TypeError):
        text = f"{chain} and {key} cannot be read as PEM without a passphrase"
        return [problem(AREA, text, "Give the whole chain in PEM, and a key without passphrase.")]
    leaf = certificates[0]
    findings = []
    if leaf.public_key() != private.public_key():
        mend = "Put the key into tls_key that the certificate was made for."
        findings.append(problem(AREA, f"{key} is not the key of {chain}", mend))
    findings += [*_time(leaf, own=own), *_names(leaf, settings, own=own), *_trust(certificates)]
    findings += [*_strength(leaf), *_secrecy(key), *_served(leaf, settings)]
    return findings


def _present(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:
        return True


def _time(leaf: x509.Certificate, *, own: bool) -> list[Finding]:
    now = clock.now()
    until = f"{leaf.not_valid_after_utc:%Y-%m-%d}"
    if now < leaf.not_valid_before_utc:
        text = f"it is valid only from {leaf.not_valid_before_utc:%Y-%m-%d %H:%M} UTC"
        return [problem(AREA, text, "Look at this machine's clock, or wait.")]
    again = "Restart AgentPost: it makes a new one." if own else "Renew it, then kill -HUP."
    if now >= leaf.not_valid_after_utc:
        return [problem(AREA, f"it ended on {until}: clients refuse it", again)]
    if now >= leaf.not_valid_after_utc - _SOON:
        return [warning(AREA, f"it ends on {until}", again)]
    return [ok(AREA, f"it is valid until {until}")]


def _names(leaf: x509.Certificate, settings: Config, *, own: bool) -> list[Finding]:
    try:
        named = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        covered = [name.lower() for name in named.get_values_for_type(x509.DNSName)]
        covered += [str(each) for each in named.get_values_for_type(x509.IPAddress)]
    except x509.ExtensionNotFound:
        covered = []
    wanted = dict.fromkeys((settings.public_imap.host, settings.public_smtp.host))
    missing = [name for name in wanted if not covers(covered, name.lower())]
    if not missing:
        return [ok(AREA, f"it names {' and '.join(wanted)}")]
    again = (
        "Restart AgentPost: it makes one with the present names."
        if own
        else "Get a certificate for these names, or set imap_host and smtp_host to names in it."
    )
    return [problem(AREA, f"it does not name {', '.join(missing)}", again)]


def covers(covered: list[str], name: str) -> bool:
    """Whether one of the names of a certificate is ``name``, or a wildcard that stands for it."""
    # RFC 6125 section 6.4.3: the wildcard stands for exactly the leftmost label.
    return name in covered or "*." + name.partition(".")[2] in covered


def _trust(certificates: list[x509.Certificate]) -> list[Finding]:
    leaf = certificates[0]
    if leaf.issuer == leaf.subject:
        text = "it is self-signed: mail clients ask their users whether to trust it, or refuse"
        return [warning(AREA, text, _REAL)]
    if len(certificates) == 1:
        mend = "Put the intermediate certificates after it into tls_cert (often fullchain.pem)."
        return [warning(AREA, "tls_cert holds no intermediate certificate", mend)]
    return [ok(AREA, f"it was issued by {leaf.issuer.rfc4514_string()}")]


def _strength(leaf: x509.Certificate) -> list[Finding]:
    key = leaf.public_key()
    mend = "Get a new one with an ECDSA P-256 key (or RSA of 2048 bits) and SHA-256."
    if isinstance(key, rsa.RSAPublicKey) and key.key_size < 2048:
        return [problem(AREA, f"its RSA key has only {key.key_size} bits", mend)]
    if isinstance(leaf.signature_hash_algorithm, hashes.SHA1 | hashes.MD5):
        name = leaf.signature_hash_algorithm.name.upper()
        return [problem(AREA, f"it is signed with {name}: clients refuse it", mend)]
    return []


def _secrecy(key: Path) -> list[Finding]:
    mode = key.stat().st_mode
    if mode & 0o007:
        mend = f"chmod 600 {key}"
        return [warning(AREA, f"{key} can be read by every user of this machine", mend)]
    return []


def _served(leaf: x509.Certificate, settings: Config) -> list[Finding]:
    shown = served_certificate(settings)
    if shown is None or shown == leaf.public_bytes(serialization.Encoding.DER):
        return []
    text = "the running server still shows another certificate"
    return [warning(AREA, text, "kill -HUP the server's process, which reads it again.")]
