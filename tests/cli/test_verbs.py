"""The verbs of the command line, on a database of their own."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from agentpost.cli import agentpost as command_line
from tests.zones import ZoneResolver

Run = Callable[..., Result]


@pytest.fixture
def run(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a verb against an empty database; a failure that is no answer is raised."""
    monkeypatch.setenv("AGENTPOST_DATABASE_URL", database_url)
    monkeypatch.setenv("AGENTPOST_DATA_DIR", str(tmp_path / "data"))

    def invoke(*arguments: str, status: int = 0) -> Result:
        result = CliRunner().invoke(command_line, list(arguments), standalone_mode=True)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == status, result.output
        return result

    return invoke


def answer(result: Result) -> Any:
    return json.loads(result.stdout)


def test_an_operator_founds_an_organization_and_works_in_it(run: Run) -> None:
    made = answer(run("org", "create", "Acme Robotics", "--tier", "team", "--json"))
    assert (made["slug"], made["tier"]) == ("acme-robotics", "team")
    assert [each["id"] for each in answer(run("org", "list", "--json"))] == [made["id"]]

    staging = answer(run("environment", "create", "Staging", "--kind", "test", "--json"))
    listed = answer(run("environment", "list", "--json"))
    assert [(each["slug"], each["default"]) for each in listed] == [
        ("default", True),
        ("staging", False),
    ]

    inbox = answer(run("inbox", "create", "support", "--environment", "staging", "--json"))
    assert inbox["environment_id"] == staging["id"]
    assert inbox["password"].startswith("ap_mail_")
    again = answer(run("inbox", "list", "--environment", "staging", "--json"))
    assert [each["email"] for each in again] == [inbox["email"]]
    assert "password" not in again[0]
    assert answer(run("inbox", "list", "--environment", "default", "--json")) == []

    key = answer(run("key", "create", "CI", "--inbox", inbox["email"], "--json"))
    assert key["inbox_ids"] == [inbox["id"]]
    assert key["key"].startswith("ap_sk_live_")
    assert answer(run("key", "revoke", key["id"], "--json"))["state"] == "revoked"
    assert answer(run("key", "list", "--json")) == []
    assert len(answer(run("key", "list", "--revoked", "--json"))) == 1


def test_a_secret_is_shown_once_with_a_clear_line(run: Run) -> None:
    run("org", "create", "Acme")
    told = run("key", "create", "CI").stdout
    assert told.count("ap_sk_live_") == 2  # The prefix, and the key itself.
    assert "shown only this once" in told
    assert "shown only this once" in run("inbox", "create", "support").stdout
    assert "shown only this once" not in run("key", "list").stdout
    first = answer(run("inbox", "create", "--client-id", "a", "--json"))
    second = run("inbox", "create", "--client-id", "a")
    assert first["id"] in second.stdout
    assert "not shown again" in second.stderr


def test_tables_in_a_pipe_are_whole(run: Run) -> None:
    run("org", "create", "A name that is rather long for the column of a table")
    found = answer(run("org", "list", "--json"))[0]
    assert found["id"] in run("org", "list").stdout
    assert found["name"] in run("org", "list").stdout


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (("inbox", "create"), 1, "agentpost org create NAME"),
        (("org", "create", "日本"), 2, "--slug"),
        (("org", "create", "x", "--slug", "No Slug"), 1, "slug"),
        (("key", "revoke", "ap_sk_live_secret"), 2, "key_..."),
        (("org", "create", "x", "--tier", "golden"), 2, "golden"),
        (("inbox", "list", "--set", "blob_ur=x"), 2, "did you mean blob_url?"),
    ],
)
def test_what_goes_wrong_is_said_with_its_cure(
    run: Run, arguments: tuple[str, ...], status: int, words: str
) -> None:
    told = run(*arguments, status=status).output
    assert words in told
    assert "ap_sk_live_secret" not in told


def test_one_of_several_organizations_must_be_chosen(run: Run) -> None:
    run("org", "create", "One")
    run("org", "create", "Two")
    assert "--org: one, two" in run("key", "list", status=2).output
    run("key", "create", "k", "--org", "two")
    assert answer(run("key", "list", "--org", "one", "--json")) == []
    assert "agentpost org list" in run("key", "list", "--org", "three", status=1).output
    assert "slug" in run("org", "create", "One", status=1).output


def test_a_check_of_a_sound_store_ends_well(run: Run) -> None:
    run("org", "create", "Acme")
    run("inbox", "create")
    report = answer(run("check", "--octets", "--json"))
    assert report["sound"] is True
    assert report["checked"]["inboxes"] == 1
    # The chains of the audit log are followed too; nothing has sealed it yet.
    assert report["checked"]["audit"] == report["checked"]["audit_chains"] == 0
    assert "no faults" in run("check").stdout


def test_a_missing_database_is_named_without_its_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AGENTPOST_DATA_DIR", str(tmp_path / "data"))
    for url in ("postgresql://u:hunter2@127.0.0.1:1/x", "postgresql://u:hunter2@no.invalid/x"):
        monkeypatch.setenv("AGENTPOST_DATABASE_URL", url)
        for verb in (("org", "list"), ("check",), ("doctor",)):
            result = CliRunner().invoke(command_line, list(verb))
            assert result.exit_code == 1, result.output
            assert "hunter2" not in result.output
            assert "database_url" in result.output


def test_without_a_database_nothing_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AGENTPOST_DATA_DIR", str(tmp_path / "data"))
    result = CliRunner().invoke(command_line, ["check"])
    assert result.exit_code == 1
    assert "agentpost migrate" in result.output
    assert CliRunner().invoke(command_line, ["doctor", "--json"]).exit_code in (0, 1)
    assert not (tmp_path / "data").exists()


def test_migrate_numbers_events_ahead_when_a_copy_was_put_back(run: Run) -> None:
    run("org", "create", "Acme")
    assert "up to date" in run("migrate").stdout
    assert "numbered ahead" not in run("migrate").stdout
    assert "numbered ahead" in run("migrate", "--restored").stdout


def test_openapi_describes_the_endpoints_without_a_server() -> None:
    result = CliRunner().invoke(command_line, ["openapi", "--compact"])
    document = json.loads(result.stdout)
    assert document["openapi"].startswith("3.1")
    assert "/api/v1/inboxes" in document["paths"]
    assert "/openapi.json" in document["paths"]


def test_every_verb_explains_itself() -> None:
    def walk(path: list[str], command: Any) -> None:
        told = CliRunner().invoke(command_line, [*path, "--help"])
        assert told.exit_code == 0
        assert command.help, path
        for name, inner in getattr(command, "commands", {}).items():
            walk([*path, name], inner)

    walk([], command_line)


def test_a_domain_is_added_shown_and_stopped(run: Run) -> None:
    run("org", "create", "Acme")
    made = answer(run("domain", "create", "Acme.example", "--subdomains", "--json"))
    assert (made["domain"], made["status"]) == ("acme.example", "pending")
    values = [record["value"] for record in made["records"]]
    assert any(value.startswith("agentpost-verification=") for value in values)
    told = run("domain", "show", "acme.example").stdout
    assert all(value in told for value in values)
    assert answer(run("domain", "list", "--json"))[0]["id"] == made["id"]
    stopped = answer(run("domain", "suspend", made["id"], "--reason", "abuse", "--json"))
    assert (stopped["status"], stopped["reason"]) == ("suspended", "abuse")
    assert "suspended" in run("domain", "verify", made["id"], status=1).output
    assert answer(run("domain", "reinstate", "acme.example", "--json"))["status"] == "pending"
    refused = run("inbox", "create", "support", "--domain", "acme.example", status=1)
    assert "not a verified domain" in refused.output
    run("domain", "delete", "acme.example")
    assert "agentpost domain list" in run("domain", "show", "acme.example", status=1).output


def test_a_domain_is_verified_from_the_command_line(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("org", "create", "Acme")
    made = answer(run("domain", "create", "acme.example", "--json"))
    challenge = next(record for record in made["records"] if "challenge" in record["name"])
    zone = {challenge["name"]: {"TXT": challenge["value"]}}
    monkeypatch.setattr("agentpost.mail.dns.Resolver", lambda server: ZoneResolver(zone))
    told = answer(run("domain", "verify", "acme.example", "--json"))
    assert told["status"] == "verifying"
    assert [each["status"] for each in told["records"]].count("found") == 1
