"""Where settings come from: defaults, the TOML file, the environment, flags."""

from __future__ import annotations

import dataclasses
import difflib
import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from agentpost.config.settings import (
    PREFIX,
    SETTINGS,
    Config,
    Origin,
    Setting,
    Tiers,
    default_data_dir,
)
from agentpost.config.values import Raw

FILE_NAME: Final = "agentpost.toml"

_FOREIGN = re.compile(
    # The client's own variables; the file's name; and what Kubernetes sets for a service that
    # is called agentpost (its "service links").
    r"AGENTPOST_(?:CONFIG|API_KEY|BASE_URL|ENVIRONMENT"
    r"|SERVICE_HOST|SERVICE_PORT(?:_\w+)?|PORT(?:_[0-9]+_(?:TCP|UDP)\w*)?)"
)


class ConfigError(Exception):
    """A setting is wrong; the text says which one, where it was set, and what it may be."""


def load(
    *,
    config_file: Path | None = None,
    flags: Mapping[str, str] | None = None,
    environ: Mapping[str, str] | None = None,
) -> Config:
    """The configuration from file, environment and flags (key to text).

    Raises: ConfigError, naming the setting and the place it was set.
    """
    environ = os.environ if environ is None else environ
    found: dict[str, tuple[object, Origin]] = {}
    written = dict(_from_environment(environ))
    written |= {key: (value, Origin.FLAG) for key, value in (flags or {}).items()}
    for key, (text, origin) in written.items():
        where = SETTINGS[key].variable if origin is Origin.ENVIRONMENT else f"flag for {key}"
        found[key] = (_parsed(SETTINGS[key], Raw(text, True, Path.cwd()), where), origin)
    path = _find_file(config_file, environ, found)
    if path is not None:
        for key, value in _from_file(path).items():
            parsed = _parsed(SETTINGS[key], Raw(value, False, path.parent), f"{path}: {key}")
            found.setdefault(key, (parsed, Origin.FILE))
    config = _assembled(found)
    _check_together(config)
    return config


def _from_environment(environ: Mapping[str, str]) -> Iterator[tuple[str, tuple[str, Origin]]]:
    by_variable = {setting.variable: key for key, setting in SETTINGS.items()}
    for name, text in environ.items():
        if not name.startswith(PREFIX) or _FOREIGN.fullmatch(name):
            continue
        if name not in by_variable:
            raise ConfigError(f"environment variable {name} is not known{_hint(name, by_variable)}")
        if text:
            yield by_variable[name], (text, Origin.ENVIRONMENT)
    # AWS's own variables say the same to all its programs; one of them is not known to botocore.
    own = SETTINGS["aws_region"].variable
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        if environ.get(name) and not environ.get(own):
            yield "aws_region", (environ[name], Origin.ENVIRONMENT)
            return


def _find_file(
    flag: Path | None, environ: Mapping[str, str], found: Mapping[str, tuple[object, Origin]]
) -> Path | None:
    named = flag or (Path(environ["AGENTPOST_CONFIG"]) if environ.get("AGENTPOST_CONFIG") else None)
    if named is not None:
        return named.expanduser().absolute()
    data_dir = found["data_dir"][0] if "data_dir" in found else default_data_dir()
    assert isinstance(data_dir, Path)
    path = data_dir / FILE_NAME
    if not path.is_file():
        return None
    if "data_dir" in _from_file(path):
        raise ConfigError(f"{path}: data_dir cannot be set in the file found in the data directory")
    return path


def _from_file(path: Path) -> dict[str, object]:
    try:
        tree = tomllib.loads(path.read_bytes().decode("utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not valid TOML: {error}") from None
    flat = dict(_flattened(tree, ""))
    for key in flat:
        if key not in SETTINGS:
            raise ConfigError(f"{path}: {key} is not a setting{_hint(key, SETTINGS)}")
    return flat


def _flattened(tree: Mapping[str, object], prefix: str) -> Iterator[tuple[str, object]]:
    for name, value in tree.items():
        if isinstance(value, dict):
            yield from _flattened(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def unknown(key: str) -> str:
    """What to say about a key that is no setting."""
    return f"no such setting{_hint(key, SETTINGS)}"


def _hint(word: str, known: Mapping[str, object]) -> str:
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    return f"; did you mean {close[0]}?" if close else ""


def _parsed(setting: Setting, raw: Raw, where: str) -> object:
    try:
        return setting.parse(raw)
    except ValueError as error:
        shown = "" if setting.secret else f", not {raw.value!r}"
        raise ConfigError(f"{where}: {setting.key} {error}{shown}") from None


def _assembled(found: Mapping[str, tuple[object, Origin]]) -> Config:
    plain = {key: value for key, (value, _) in found.items() if not key.startswith("tiers.")}
    tiers = Tiers()
    for key, (value, _) in found.items():
        if key.startswith("tiers."):
            _, name, limit = key.split(".")
            tier = dataclasses.replace(tiers.named(name), **{limit: value})  # type: ignore[arg-type]
            tiers = dataclasses.replace(tiers, **{name: tier})
    origins = {key: origin for key, (_, origin) in found.items()}
    return Config(**plain, tiers=tiers, origins=origins)  # type: ignore[arg-type]


def _check_together(config: Config) -> None:
    if (config.tls_cert is None) != (config.tls_key is None):
        raise ConfigError("tls_cert and tls_key belong together: set both or neither")
    if config.relay == "smtp" and config.smtp_relay_url is None:
        raise ConfigError("relay = smtp needs smtp_relay_url")


def dump(config: Config) -> dict[str, str]:
    """Every setting that is set, as text that :func:`restore` reads; secrets included."""
    texts: dict[str, str] = {}
    for key, setting in SETTINGS.items():
        value = setting.of(config)
        if value is not None or key.startswith("tiers."):
            texts[key] = setting.text(value)
    return texts


def restore(texts: Mapping[str, str]) -> Config:
    """The configuration that :func:`dump` wrote, in another process; origins are not kept."""
    found = {
        key: (_parsed(SETTINGS[key], Raw(text, is_text=True, base=Path.cwd()), key), Origin.FLAG)
        for key, text in texts.items()
    }
    return _assembled(found)
