"""Settings: where they come from, what they may be, what is said when they are wrong."""

from __future__ import annotations

import dataclasses
import os
import stat
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentpost import config
from agentpost.config import Address, Config, ConfigError, Origin, Tier
from agentpost.store.blobs import BlobsAt
from agentpost.store.settings import blobs_at, deposit_limits


def load(directory: Path, toml: str = "", **environ: str) -> Config:
    environ.setdefault("AGENTPOST_DATA_DIR", str(directory))
    if toml:
        (directory / "agentpost.toml").write_text(toml)
    return config.load(environ=environ)


def test_a_later_source_wins_and_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_text('domain = "file.example"\nworkers = 3\nlog_level = "debug"\n')
    settings = config.load(
        config_file=tmp_path / "x.toml",
        environ={"AGENTPOST_WORKERS": "4", "AGENTPOST_LOG_LEVEL": "error"},
        flags={"log_level": "warning", "data_dir": str(tmp_path)},
    )
    assert (settings.domain, settings.workers, settings.log_level) == ("file.example", 4, "warning")
    origins = {setting.key: origin for setting, _, origin in settings.values()}
    assert origins["domain"] is Origin.FILE
    assert origins["workers"] is Origin.ENVIRONMENT
    assert origins["log_level"] is Origin.FLAG
    assert origins["relay"] is Origin.DEFAULT


def test_networks_are_written_in_one_line_or_as_a_list(tmp_path: Path) -> None:
    wanted = ("10.0.0.0/8", "::1/128", "192.0.2.7/32")
    text = "10.0.0.0/8, ::1,192.0.2.7"
    assert load(tmp_path, AGENTPOST_TRUSTED_PROXIES=text).trusted_proxies == wanted
    in_file = 'trusted_proxies = ["10.0.0.0/8", "::1", "192.0.2.7"]'
    settings = load(tmp_path, in_file)
    assert settings.trusted_proxies == wanted
    setting = config.SETTINGS["trusted_proxies"]
    again = load(tmp_path, AGENTPOST_TRUSTED_PROXIES=setting.text(wanted))
    assert again.trusted_proxies == wanted
    assert load(tmp_path, AGENTPOST_TRUSTED_PROXIES=setting.text(())).trusted_proxies == ()
    with pytest.raises(ConfigError, match="must be addresses or networks"):
        load(tmp_path, "trusted_proxies = [1]")


def test_topics_are_written_in_one_line_or_as_a_list(tmp_path: Path) -> None:
    first, second = (f"arn:aws:sns:eu-west-1:123456789012:{name}" for name in ("mail", "news"))
    text = f"{first}, {second}"
    assert load(tmp_path, AGENTPOST_SNS_TOPIC_ARNS=text).sns_topic_arns == (first, second)
    assert load(tmp_path, f'sns_topic_arns = ["{first}"]').sns_topic_arns == (first,)
    assert load(tmp_path, AGENTPOST_SNS_TOPIC_ARNS="none").sns_topic_arns == ()
    for wrong in ("mail", "arn:aws:sqs:eu-west-1:123456789012:mail", f"{first}/x", f"{first},"):
        with pytest.raises(ConfigError, match="ARNs"):
            load(tmp_path, AGENTPOST_SNS_TOPIC_ARNS=wrong)


@pytest.mark.parametrize("wrong", ["bucket", "s3://", "s3://UP/x", "s3://b/x", "s3://bucket/a?b"])
def test_a_bucket_has_a_name_and_perhaps_a_prefix(tmp_path: Path, wrong: str) -> None:
    assert load(tmp_path, AGENTPOST_INBOUND_S3="s3://bucket/in/").inbound_s3 == "s3://bucket/in/"
    with pytest.raises(ConfigError, match="s3://bucket"):
        load(tmp_path, AGENTPOST_INBOUND_S3=wrong)


def test_the_file_is_found_by_variable_and_in_the_data_directory(tmp_path: Path) -> None:
    assert load(tmp_path, 'domain = "here.example"').domain == "here.example"
    named = tmp_path / "named.toml"
    named.write_text('domain = "named.example"')
    assert load(tmp_path, AGENTPOST_CONFIG=str(named)).domain == "named.example"
    with pytest.raises(ConfigError, match="cannot read"):
        load(tmp_path, AGENTPOST_CONFIG=str(tmp_path / "absent.toml"))
    with pytest.raises(ConfigError, match="data_dir cannot be set"):
        load(tmp_path, 'data_dir = "/elsewhere"')


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({"AGENTPOST_WORKER": "2"}, "did you mean AGENTPOST_WORKERS?"),
        ({"AGENTPOST_WORKERS": "0"}, "workers must be from 1 to 256, not '0'"),
        ({"AGENTPOST_WORKERS": "1_0"}, "workers must be a whole number"),
        ({"AGENTPOST_WORKERS": "٣"}, "workers must be a whole number"),
        ({"AGENTPOST_WORKERS": " 3"}, "workers must be a whole number"),
        ({"AGENTPOST_IMAPS_BIND": "127.0.0.1"}, "imaps_bind must be host:port"),
        ({"AGENTPOST_IMAPS_BIND": "::1:993"}, "imaps_bind must be host:port"),
        ({"AGENTPOST_IMAPS_BIND": "[::1]:65536"}, "imaps_bind must be host:port"),
        ({"AGENTPOST_DNS_RESOLVER": "dns.example:53"}, "dns_resolver must be an IP address"),
        ({"AGENTPOST_DNS_RESOLVER": "[::1]:0"}, "dns_resolver must have a port"),
        ({"AGENTPOST_SEAL_CREDENTIALS": "yes"}, "must be true or false"),
        ({"AGENTPOST_RELAY": "ses2"}, "must be one of simulator, smtp"),
        ({"AGENTPOST_RELAY": "smtp"}, "needs smtp_relay_url"),
        ({"AGENTPOST_TLS_CERT": "/x"}, "belong together"),
        ({"AGENTPOST_DOMAIN": "-bad-.example"}, "must be a host name"),
        ({"AGENTPOST_DRAIN_DEADLINE_S": "inf"}, "number of seconds"),
        ({"AGENTPOST_TIERS_FREE_MAILS_PER_DAY": "many"}, "or 'unlimited'"),
        ({"AGENTPOST_TRUSTED_PROXIES": "proxy.example"}, "must be addresses or networks"),
        ({"AGENTPOST_TRUSTED_PROXIES": "10.0.0.1/8"}, "has host bits set"),
        ({"AGENTPOST_TRUSTED_PROXIES": "::1,"}, "must be addresses or networks"),
        ({"AGENTPOST_DATABASE_URL": "mysql://x"}, "must be a URL beginning with postgresql://"),
    ],
)
def test_a_wrong_variable_is_told_precisely(
    tmp_path: Path, environ: dict[str, str], said: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, **environ)
    assert said in str(caught.value)
    assert "AGENTPOST_" in str(caught.value) or "need" in said or "belong" in said


@pytest.mark.parametrize(
    ("toml", "said"),
    [
        ("worker = 2", "worker is not a setting; did you mean workers?"),
        ('workers = "2"', "must be a whole number"),
        ("workers = true", "must be a whole number"),
        ("[tiers.fre]\nmails_per_day = 1", "did you mean tiers.free.mails_per_day?"),
        ("workers = ", "is not valid TOML"),
        ('domain = ["a"]', "must be a string"),
    ],
)
def test_a_wrong_file_is_told_precisely(tmp_path: Path, toml: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, toml)
    assert said in str(caught.value)
    assert str(tmp_path) in str(caught.value)


def test_secrets_are_shown_nowhere(tmp_path: Path) -> None:
    key, url = "ap_sk_live_" + "k" * 32, "postgresql://me:hunter2@db/agentpost"
    settings = load(tmp_path, AGENTPOST_BOOTSTRAP_KEY=key, AGENTPOST_DATABASE_URL=url)
    shown = "".join(text for _, text, _ in settings.values())
    assert key not in shown
    assert "hunter2" not in shown
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, AGENTPOST_BOOTSTRAP_KEY="ap_sk_oops")
    assert "oops" not in str(caught.value)


def test_variables_of_others_are_left_alone(tmp_path: Path) -> None:
    load(
        tmp_path,
        AGENTPOST_API_KEY="ap_sk_x",
        AGENTPOST_BASE_URL="http://x",
        AGENTPOST_SERVICE_HOST="10.0.0.1",
        AGENTPOST_SERVICE_PORT_HTTP="80",
        AGENTPOST_PORT="tcp://10.0.0.1:80",
        AGENTPOST_PORT_80_TCP_ADDR="10.0.0.1",
    )


def test_addresses_of_both_families() -> None:
    settings = config.load(
        environ={"AGENTPOST_IMAPS_BIND": "[::1]:993", "AGENTPOST_HTTP_BIND": "h:0"}
    )
    assert settings.imaps_bind == Address("::1", 993)
    assert str(settings.imaps_bind) == "[::1]:993"
    assert settings.http_bind == Address("h", 0)


@pytest.mark.proves("R102", "R103", "R104", "R105", "R106")
def test_tiers_have_the_documented_defaults_and_can_be_changed(tmp_path: Path) -> None:
    tiers = load(tmp_path).tiers
    assert tiers.free == Tier(60, 200)
    assert tiers.starter == Tier(300, 5_000)
    assert tiers.team == Tier(600, 50_000)
    assert tiers.enterprise == Tier(None, None)
    changed = load(
        tmp_path,
        '[tiers.free]\nmails_per_day = 7\nrequests_per_minute = "unlimited"',
        AGENTPOST_TIERS_ENTERPRISE_MAILS_PER_DAY="9",
    ).tiers
    assert changed.free == Tier(None, 7)
    assert changed.enterprise == Tier(None, 9)
    with pytest.raises(KeyError):
        changed.named("origins")


def test_paths_are_relative_to_the_file_that_names_them(tmp_path: Path) -> None:
    settings = load(tmp_path, 'tls_cert = "tls/c.pem"\ntls_key = "~/k.pem"')
    assert settings.tls_cert == tmp_path / "tls" / "c.pem"
    assert settings.tls_key == Path.home() / "k.pem"


def test_public_addresses_fall_back_to_domain_and_bind(tmp_path: Path) -> None:
    settings = load(
        tmp_path, 'domain = "Mail.Example"\nimap_host = "imap.example"\nimap_port = 993'
    )
    assert str(settings.public_imap) == "imap.example:993"
    assert str(settings.public_smtp) == "mail.example:2465"
    assert settings.shared_domain == "shared.mail.example"
    assert settings.http_url == "http://127.0.0.1:8080"


@given(
    workers=st.integers(1, 256),
    host=st.sampled_from(["127.0.0.1", "::1", "mail.example"]),
    port=st.integers(0, 65535),
    seal=st.booleans(),
    limit=st.none() | st.integers(1, 10**9),
    drain=st.integers(0, 86_400_000),
)
def test_what_a_worker_is_told_is_what_the_supervisor_knows(
    workers: int, host: str, port: int, seal: bool, limit: int | None, drain: int
) -> None:
    settings = dataclasses.replace(
        Config(),
        workers=workers,
        imaps_bind=Address(host, port),
        seal_credentials=seal,
        drain_deadline_s=drain / 1000,
        tiers=dataclasses.replace(config.Tiers(), free=Tier(limit, limit)),
        database_url="postgresql://agentpost@/agentpost?host=%2Fx%20y",
    )
    assert config.restore(config.dump(settings)) == settings


def test_data_dir_and_secrets_are_private(tmp_path: Path) -> None:
    directory = tmp_path / "a" / "data"
    settings = dataclasses.replace(Config(), data_dir=directory)
    key = config.master_key(settings)
    assert config.master_key(settings) == key
    assert len(key) == 32
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert stat.S_IMODE((directory / "master.key").stat().st_mode) == 0o600
    assert [path.name for path in directory.iterdir()] == ["master.key"]
    (directory / "master.key").write_text("short")
    with pytest.raises(ConfigError, match="64 lower-case"):
        config.master_key(settings)
    assert config.master_key(dataclasses.replace(settings, master_key="ab" * 32)) == b"\xab" * 32


def test_a_data_directory_has_one_holder(tmp_path: Path) -> None:
    with config.hold(tmp_path / "d", "serve.lock"), pytest.raises(ConfigError) as caught:
        config.hold(tmp_path / "d", "serve.lock")
    assert f"process {os.getpid()}" in str(caught.value)
    config.hold(tmp_path / "d", "serve.lock").close()


def test_a_data_directory_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="cannot make data_dir"):
        config.make_data_dir(tmp_path / "file" / "data")


def test_clients_are_told_an_address_where_the_name_means_this_machine_only() -> None:
    def told(**changes: Any) -> str:
        return str(dataclasses.replace(Config(), **changes).client_imap)

    anywhere = Address("0.0.0.0", 993)
    assert told() == "127.0.0.1:2993"
    assert told(imaps_bind=anywhere) == "127.0.0.1:993"
    assert told(imaps_bind=Address("192.0.2.7", 993)) == "192.0.2.7:993"
    assert told(domain="mail.example", imaps_bind=anywhere) == "mail.example:993"
    assert told(imap_host="imap.example") == "imap.example:2993"


def test_the_region_is_known_from_the_variables_of_aws() -> None:
    def region(**environ: str) -> str | None:
        return config.load(environ=environ).aws_region

    assert region() is None
    assert region(AWS_DEFAULT_REGION="us-east-1") == "us-east-1"
    assert region(AWS_DEFAULT_REGION="us-east-1", AWS_REGION="eu-west-1") == "eu-west-1"
    assert region(AWS_REGION="eu-west-1", AGENTPOST_AWS_REGION="eu-north-1") == "eu-north-1"
    with pytest.raises(config.ConfigError, match="aws_region"):
        region(AWS_REGION="no region")


def test_a_configuration_set_is_a_name() -> None:
    with pytest.raises(config.ConfigError, match="ses_configuration_set must be"):
        config.load(environ={"AGENTPOST_SES_CONFIGURATION_SET": "a b"})


def test_the_relays_that_are_set_up_are_known() -> None:
    assert config.Config().relays == ("simulator",)
    assert config.Config(relay="ses").relays == ("ses", "simulator")
    both = config.Config(smtp_relay_url="smtps://mail.example.com", ses_configuration_set="events")
    assert both.relays == ("simulator", "smtp", "ses")


@pytest.mark.parametrize(
    ("written", "wanted"),
    [
        ("file:///srv/large%20mail", BlobsAt(Path("/srv/large mail"))),
        ("file://localhost/srv/x", BlobsAt(Path("/srv/x"))),
        ("s3://mail", BlobsAt(bucket="mail")),
        (
            "s3://mail.acme-1/agentpost/blobs/",
            BlobsAt(bucket="mail.acme-1", prefix="agentpost/blobs"),
        ),
    ],
)
def test_large_messages_lie_where_the_url_says(
    tmp_path: Path, written: str, wanted: BlobsAt
) -> None:
    assert blobs_at(load(tmp_path, AGENTPOST_BLOB_URL=written)) == wanted


def test_a_bucket_may_be_at_another_service(tmp_path: Path) -> None:
    assert blobs_at(load(tmp_path)) == BlobsAt(tmp_path / "blobs")
    settings = load(
        tmp_path,
        AGENTPOST_BLOB_URL="s3://mail/x",
        AGENTPOST_AWS_ENDPOINT_URL="https://objects.acme.example",
        AGENTPOST_AWS_REGION="auto",
        AGENTPOST_BLOB_DIRECT_LINKS="false",
        AGENTPOST_BLOB_INLINE_MAX_OCTETS="1000",
    )
    assert blobs_at(settings) == BlobsAt(
        None, "mail", "x", "https://objects.acme.example", "auto", direct_links=False
    )
    assert deposit_limits(settings).inline_octets == 1000
    assert config.restore(config.dump(settings)).blob_url == "s3://mail/x"


@pytest.mark.parametrize(
    "written",
    [
        "/srv/blobs",
        "file://server/share",
        "file:srv",
        "s3://",
        "s3://Mail",
        "s3://m",
        "s3://key:secret@mail/x",
        "s3://mail:9000/x",
        "s3://mail/../x",
        "s3://mail/a b",
        "s3://mail/x?y",
        "https://mail.s3.amazonaws.com/x",
    ],
)
def test_a_place_of_large_messages_is_a_directory_or_a_bucket(tmp_path: Path, written: str) -> None:
    with pytest.raises(ConfigError, match="AGENTPOST_BLOB_URL: blob_url must be"):
        load(tmp_path, AGENTPOST_BLOB_URL=written)
