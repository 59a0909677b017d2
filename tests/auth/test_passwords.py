"""Mail credentials at rest: verifiers and seals."""

from __future__ import annotations

import base64
import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentpost.auth.passwords import Unsealable, scram_verifier, seal, unseal, verifies

KEY = bytes(range(32))


def test_the_verifier_serves_the_exchange_of_rfc_7677_section_3() -> None:
    nonce = "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
    salt = "W22ZaJ0SNY7soEsUEjb6gQ=="
    exchange = f"n=user,r={nonce[:20]},r={nonce},s={salt},i=4096,c=biws,r={nonce}".encode()
    proof = base64.b64decode("dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=")
    signature = base64.b64decode("6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")

    verifier = scram_verifier("pencil", base64.b64decode(salt))

    head, keys = verifier.rsplit("$", 1)
    stored_key, server_key = map(base64.b64decode, keys.split(":"))
    assert head == f"SCRAM-SHA-256$4096:{salt}"
    assert hmac.digest(server_key, exchange, "sha256") == signature
    client_signature = hmac.digest(stored_key, exchange, "sha256")
    client_key = bytes(a ^ b for a, b in zip(proof, client_signature, strict=True))
    assert hashlib.sha256(client_key).digest() == stored_key


def test_a_verifier_tells_the_secret_from_others() -> None:
    verifier = scram_verifier("ap_mail_x")
    assert verifies("ap_mail_x", verifier)
    assert not verifies("ap_mail_y", verifier)
    assert verifier != scram_verifier("ap_mail_x")


@pytest.mark.parametrize(
    "text", ["", "SCRAM-SHA-256$4096:$a:b", "SCRAM-SHA-256$0:AAAA$" + "A" * 43 + "=:x"]
)
def test_a_malformed_verifier_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match="verifier"):
        verifies("x", text)


@given(st.text(alphabet=st.characters(min_codepoint=33, max_codepoint=126), max_size=80))
def test_what_is_sealed_is_unsealed(secret: str) -> None:
    sealed = seal(KEY, "mc_1", secret)
    assert unseal(KEY, "mc_1", sealed) == secret
    assert seal(KEY, "mc_1", secret) != sealed


def test_a_seal_opens_with_its_key_for_its_row_unchanged() -> None:
    sealed = seal(KEY, "mc_1", "secret")
    assert b"secret" not in sealed
    attempts = [
        (bytes(32), "mc_1", sealed),
        (KEY, "mc_2", sealed),
        (KEY, "mc_1", sealed[:-1]),
        (KEY, "mc_1", b"\x02" + sealed[1:]),
        (KEY, "mc_1", b""),
        *((KEY, "mc_1", _flipped(sealed, at)) for at in range(len(sealed))),
    ]
    for key, credential, octets in attempts:
        with pytest.raises(Unsealable):
            unseal(key, credential, octets)


def test_a_short_master_key_is_refused() -> None:
    with pytest.raises(ValueError, match="32"):
        seal(b"short", "mc_1", "secret")


def _flipped(octets: bytes, at: int) -> bytes:
    return octets[:at] + bytes([octets[at] ^ 1]) + octets[at + 1 :]
