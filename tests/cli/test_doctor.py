"""What the doctor finds, area by area."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from agentpost import certificate, config
from agentpost.cli.diagnosis import addresses, blobs, certificates, database, disk, names, relay
from agentpost.cli.diagnosis.finding import Finding, Level
from agentpost.config import Config
from agentpost.store import embedded
from agentpost.store.blobs import BlobsAt
from tests.mail.fakeses import AWS_VARIABLES, FakeSes, fake_ses
from tests.store.bucket import bucket


def configured(tmp_path: Path, **flags: str) -> Config:
    values = {"data_dir": str(tmp_path / "data")}
    for name in ("smtps", "submission", "imaps", "http", "metrics"):
        values[f"{name}_bind"] = "127.0.0.1:0"
    return config.load(flags=values | flags, environ={})


def bad(findings: list[Finding]) -> dict[Level, list[str]]:
    """The texts of what is not well; each says how to mend it."""
    found: dict[Level, list[str]] = {}
    for each in findings:
        if each.level is not Level.OK:
            assert each.mend
            found.setdefault(each.level, []).append(each.text)
    return found


def test_a_free_address_is_well_and_a_taken_one_is_named(tmp_path: Path) -> None:
    assert bad(addresses.look(configured(tmp_path))) == {}
    with socket.create_server(("127.0.0.1", 0)) as taken:
        bind = f"127.0.0.1:{taken.getsockname()[1]}"
        found = bad(addresses.look(configured(tmp_path, imaps_bind=bind)))
        assert found == {Level.PROBLEM: [f"imaps_bind {bind} is taken by another program"]}


def test_addresses_that_collide_or_face_a_network_in_clear_are_told(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    same = configured(tmp_path, imaps_bind=f"127.0.0.1:{port}", smtps_bind=f"127.0.0.1:{port}")
    assert f"imaps and smtps share 127.0.0.1:{port}" in bad(addresses.look(same))[Level.PROBLEM]
    open_ = bad(addresses.look(configured(tmp_path, http_bind="0.0.0.0:0")))
    assert "faces a network in clear" in open_[Level.WARNING][0]
    absent = bad(addresses.look(configured(tmp_path, imaps_bind="192.0.2.1:2993")))
    assert "does not have the address" in absent[Level.PROBLEM][0]


def test_a_server_that_runs_but_does_not_listen_is_told(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    settings = configured(tmp_path, imaps_bind=f"127.0.0.1:{port}")
    assert addresses.serving_process(settings.data_dir) is None
    with config.hold(settings.data_dir, "serve.lock"):
        assert addresses.serving_process(settings.data_dir) == str(os.getpid())
        assert "does not listen here" in bad(addresses.look(settings))[Level.PROBLEM][0]
    assert addresses.serving_process(settings.data_dir) is None


def issued(tmp_path: Path, names: list[str], made: datetime, **flags: str) -> list[Finding]:
    chain, key = certificate.make(names, made)
    (tmp_path / "chain.pem").write_bytes(chain)
    (tmp_path / "key.pem").write_bytes(key)
    (tmp_path / "key.pem").chmod(0o600)
    files = {"tls_cert": str(tmp_path / "chain.pem"), "tls_key": str(tmp_path / "key.pem")}
    return certificates.look(configured(tmp_path, **files, **flags))


def test_a_certificate_is_judged_by_time_names_and_trust(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    sound = bad(issued(tmp_path, ["agentpost.localhost"], now))
    assert list(sound) == [Level.WARNING]
    assert "self-signed" in sound[Level.WARNING][0]
    old = bad(issued(tmp_path, ["agentpost.localhost"], now - timedelta(days=900)))
    assert "it ended on" in old[Level.PROBLEM][0]
    soon = bad(issued(tmp_path, ["agentpost.localhost"], now - timedelta(days=820)))
    assert any("it ends on" in text for text in soon[Level.WARNING])
    early = bad(issued(tmp_path, ["agentpost.localhost"], now + timedelta(days=2)))
    assert "valid only from" in early[Level.PROBLEM][0]
    other = bad(issued(tmp_path, ["example.org"], now, domain="mail.example.com"))
    assert "does not name mail.example.com" in other[Level.PROBLEM][0]
    wild = bad(issued(tmp_path, ["*.example.com"], now, domain="mail.example.com"))
    assert Level.PROBLEM not in wild


@pytest.mark.parametrize(
    ("name", "covered"),
    [("mail.example.com", True), ("a.mail.example.com", False), ("example.com", False)],
)
def test_a_wildcard_stands_for_one_label(name: str, covered: bool) -> None:
    assert certificates.covers(["*.example.com"], name) is covered


def test_a_certificate_of_another_key_or_none_at_all_is_told(tmp_path: Path) -> None:
    assert "none is set" in bad(certificates.look(configured(tmp_path)))[Level.WARNING][0]
    issued(tmp_path, ["agentpost.localhost"], datetime.now(UTC))
    _, other = certificate.make(["x"], datetime.now(UTC))
    key = tmp_path / "key.pem"
    key.write_bytes(other)
    key.chmod(0o644)
    files = {"tls_cert": str(tmp_path / "chain.pem"), "tls_key": str(key)}
    found = bad(certificates.look(configured(tmp_path, **files)))
    assert "is not the key of" in found[Level.PROBLEM][0]
    assert any("read by every user" in text for text in found[Level.WARNING])
    key.write_bytes(b"nonsense")
    assert (
        "cannot be read as PEM"
        in bad(certificates.look(configured(tmp_path, **files)))[Level.PROBLEM][0]
    )


def test_the_data_directory_is_written_and_its_privacy_looked_at(tmp_path: Path) -> None:
    settings = configured(tmp_path)
    assert bad(disk.look(settings)).get(Level.PROBLEM) is None
    assert not settings.data_dir.exists()
    settings.data_dir.mkdir(mode=0o755)
    assert any("open to other users" in each.text for each in disk.look(settings))
    assert list(settings.data_dir.iterdir()) == []
    (settings.data_dir / "postgres.log").write_text("PANIC: No space left on device\n")
    assert "No space left" in bad(disk.look(settings))[Level.PROBLEM][0]


def test_a_file_in_the_place_of_the_data_directory_is_told(tmp_path: Path) -> None:
    settings = configured(tmp_path)
    settings.data_dir.write_text("x")
    assert "is not a directory" in bad(disk.look(settings))[Level.PROBLEM][0]


def test_a_database_that_may_lose_mail_is_a_problem(
    tmp_path: Path, postgres: embedded.Embedded, database_url: str
) -> None:
    found = bad(database.look(configured(tmp_path, database_url=database_url)))
    assert any("fsync = off" in text for text in found[Level.PROBLEM])  # As our test server is.
    empty = bad(database.look(configured(tmp_path, database_url=postgres.url_of("postgres"))))
    assert any("schema lacks" in text for text in empty[Level.WARNING])


def test_names_that_nobody_knows_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known = {"mail.example.com": ["192.0.2.7"]}
    monkeypatch.setattr(names, "_addresses", lambda name: known.get(name, "Name not known"))
    assert bad(names.look(configured(tmp_path))) == {}
    assert bad(names.look(configured(tmp_path, domain="mail.example.com"))) == {}
    found = bad(names.look(configured(tmp_path, domain="mail.example.org")))
    assert "mail.example.org is not found: Name not known" in found[Level.PROBLEM][0]
    facing = bad(names.look(configured(tmp_path, imaps_bind="0.0.0.0:0")))
    assert "means nothing on other machines" in facing[Level.WARNING][0]


def test_a_relay_is_spoken_to_and_its_password_never_shown(tmp_path: Path) -> None:
    assert bad(relay.look(configured(tmp_path))) == {}
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    url = f"smtp://user:hunter2@127.0.0.1:{port}?tls=none"
    found = relay.look(configured(tmp_path, relay="smtp", smtp_relay_url=url))
    assert "cannot connect" in bad(found)[Level.PROBLEM][0]
    wrong = configured(tmp_path, relay="smtp", smtp_relay_url="smtp://u:hunter2@example.com?x=1")
    assert "no option x" in bad(relay.look(wrong))[Level.PROBLEM][0]
    assert "hunter2" not in repr(found) + repr(relay.look(wrong))


def test_amazon_ses_is_asked_whether_it_would_send_and_tell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in AWS_VARIABLES.items():
        monkeypatch.setenv(name, value)
    events = {
        "Name": "all",
        "Enabled": True,
        "MatchingEventTypes": ["SEND", "DELIVERY", "BOUNCE"],
        "SnsDestination": {"TopicArn": "arn:aws:sns:eu-west-1:123456789012:mail"},
    }
    fake = FakeSes(sets={"events": [events], "silent": []})

    def look(**flags: str) -> dict[Level, list[str]]:
        flags = {"relay": "ses", "aws_endpoint_url": fake.url, "aws_region": "eu-west-1"} | flags
        return bad(relay.look(configured(tmp_path, **flags)))

    with fake_ses(fake):
        assert look(ses_configuration_set="events") == {}
        assert "no events" in look()[Level.WARNING][0]
        assert "no Send events" in look(ses_configuration_set="silent")[Level.WARNING][0]
        assert "NotFoundException" in look(ses_configuration_set="none")[Level.PROBLEM][0]
        fake.account["ProductionAccessEnabled"] = False
        assert "sandbox" in look(ses_configuration_set="events")[Level.WARNING][0]
        fake.account["SendingEnabled"] = False
        assert "paused" in look(ses_configuration_set="events")[Level.PROBLEM][0]
    assert "does not answer" in look()[Level.PROBLEM][0]
    without = configured(tmp_path, relay="ses", aws_endpoint_url=fake.url)
    assert "NoRegion" in bad(relay.look(without))[Level.PROBLEM][0]


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[BlobsAt]:
    for name, value in AWS_VARIABLES.items():
        monkeypatch.setenv(name, value)
    with bucket() as place:
        yield place


def test_a_bucket_is_tried(tmp_path: Path, s3: BlobsAt) -> None:
    assert blobs.look(configured(tmp_path)) == []
    flags = {"aws_endpoint_url": str(s3.endpoint_url), "blob_url": f"s3://{s3.bucket}/deep/er"}
    sound = blobs.look(configured(tmp_path, **flags))
    assert [each.level for each in sound] == [Level.OK, Level.WARNING]
    assert "s3://mail-test/deep/er is written, read, listed and cleared" in sound[0].text
    assert "not encrypted" in sound[1].text
    wrong = bad(blobs.look(configured(tmp_path, **{**flags, "blob_url": "s3://nothing-here"})))
    assert wrong[Level.PROBLEM] == ["s3://nothing-here: writing an object does not work"]
