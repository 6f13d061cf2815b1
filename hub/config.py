"""The hub's settings: environment (and `.env`) in, one frozen value out; a wrong value stops the start in one line."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
from dotenv import dotenv_values
from msgspec import Meta

from agent.wire import Mode
from hub import authority


class BadSetting(Exception):
    """A setting is wrong; the text names it and what it may be."""


Port = Annotated[int, Meta(ge=1, le=65_535)]


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Field names are the variables' names in lower case, without EMS_."""

    app_env: Annotated[str, Meta(pattern="^(production|development)$")] = "production"
    secret_key: str = ""
    database_url: str = "sqlite:///./var/hub/hub.db"
    storage_path: str = "./var/hub/storage"
    s3_endpoint: str = ""
    s3_bucket: str = "ems"
    s3_region: str = "us-east-1"
    s3_access_key: str = ""
    s3_secret_key: str = ""
    s3_ca_path: str = ""
    storage_reserve_bytes: Annotated[int, Meta(ge=0)] = 2_000_000_000
    clip_cache_bytes: Annotated[int, Meta(ge=0)] = 2_000_000_000
    recording_format: Annotated[str, Meta(pattern="^(mp4|mkv|ts)$")] = "mp4"
    proctoring_mode: Mode = Mode.AUTOMATED
    log_level: Annotated[str, Meta(pattern="^(DEBUG|INFO|WARNING|ERROR)$")] = "INFO"
    log_format: Annotated[str, Meta(pattern="^(plain|json)$")] = "plain"
    live_path: str = "/dev/shm/ems-live"  # noqa: S108 - a tmpfs by design: live stills are never kept
    broker_host: str = "127.0.0.1"
    broker_port: Port = 1883
    broker_protocol: Annotated[int, Meta(ge=4, le=5)] = 5
    broker_tls: bool = False
    ca_path: str = "./var/hub/ca"
    hub_names: str = ""
    unit_certificate_days: Annotated[int, Meta(ge=1, le=825)] = 90
    door_host: str = "127.0.0.1"
    door_port: Port = 8443
    mdns: bool = False
    web_host: str = "127.0.0.1"
    web_port: Port = 8000
    web_tls: bool = False
    is_clock_trusted: bool = False
    max_streams: Annotated[int, Meta(ge=1, le=2000)] = 300
    max_video_viewers: Annotated[int, Meta(ge=1, le=200)] = 12
    zone: str = "UTC"
    language: Annotated[str, Meta(pattern="^(en|de)$")] = "en"
    retention_auto: bool = False
    tsa_config: str = ""
    trust_new_units: bool = False

    def __repr__(self) -> str:
        """Without what must not stand in a log."""
        fields = (f for f in self.__struct_fields__ if f not in SECRET)
        return f"Settings({', '.join(f'{field}={getattr(self, field)!r}' for field in fields)})"

    @property
    def database_path(self) -> Path:
        """Where the SQLite store lies."""
        return Path(self.database_url.removeprefix("sqlite:///"))


SECRET = frozenset({"secret_key", "s3_access_key", "s3_secret_key"})
PLAIN = frozenset(
    {
        "APP_ENV",
        "SECRET_KEY",
        "DATABASE_URL",
        "STORAGE_PATH",
        "S3_ENDPOINT",
        "RECORDING_FORMAT",
        "PROCTORING_MODE",
        "LOG_LEVEL",
    }
)
"""Variables with a name of their own; every other setting is EMS_ and the field's name."""


def variable_of(field: str) -> str:
    return field.upper() if field.upper() in PLAIN else f"EMS_{field.upper()}"


def load(environ: Mapping[str, str] | None = None, dotenv: Path | None = Path(".env")) -> Settings:
    """Read the settings; the environment wins over `.env`. Raises BadSetting."""
    given = dict(dotenv_values(dotenv)) if dotenv is not None and dotenv.exists() else {}
    given.update(os.environ if environ is None else environ)
    values = {
        field: given[variable_of(field)]
        for field in Settings.__struct_fields__
        if given.get(variable_of(field)) not in (None, "")
    }
    try:
        settings = msgspec.convert(values, Settings, strict=False)
    except msgspec.ValidationError as error:
        raise BadSetting(_in_words(error)) from None
    return _checked(settings)


def _in_words(error: msgspec.ValidationError) -> str:
    text, _, place = str(error).partition(" - at `$.")
    return f"{variable_of(place.rstrip('`'))}: {text}" if place else text


_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")


def _check_s3(settings: Settings) -> None:
    if not settings.s3_endpoint:
        return
    place = urlsplit(settings.s3_endpoint)
    if place.scheme not in ("http", "https") or not place.hostname or place.query or place.username is not None:
        raise BadSetting("S3_ENDPOINT: as https://s3.centre.example or https://10.0.0.5:9000, no keys in it")
    is_loopback = place.hostname in ("localhost", "127.0.0.1", "::1")
    if place.scheme == "http" and not is_loopback and settings.app_env == "production":
        raise BadSetting(
            "S3_ENDPOINT: recordings would cross the network unencrypted; use https://, or http:// to this machine, or "
            "to try it out APP_ENV=development"
        )
    if not _BUCKET.fullmatch(settings.s3_bucket):
        raise BadSetting("EMS_S3_BUCKET: 3 to 63 of a-z 0-9 . and -, as exam-recordings")
    if not settings.s3_region:
        raise BadSetting("EMS_S3_REGION: needed with S3_ENDPOINT; us-east-1 where the service has none")
    for field in ("s3_access_key", "s3_secret_key"):
        if not getattr(settings, field):
            raise BadSetting(f"{variable_of(field)}: needed with S3_ENDPOINT")
    if settings.s3_ca_path and not Path(settings.s3_ca_path).is_file():
        raise BadSetting(f"EMS_S3_CA_PATH: there is no file {settings.s3_ca_path}")


def _checked(settings: Settings) -> Settings:
    if not settings.database_url.startswith("sqlite:///"):
        raise BadSetting(
            "DATABASE_URL: only sqlite:///PATH is supported by this version, not "
            + settings.database_url.partition(":")[0]
        )
    _check_s3(settings)
    try:
        authority.hub_names(settings.hub_names, "")
    except ValueError as error:
        raise BadSetting(f"EMS_HUB_NAMES: {error}; as hub.centre.example, 10.0.0.5") from None
    try:
        ZoneInfo(settings.zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise BadSetting(f"EMS_ZONE: no time zone is called {settings.zone!r}; as Europe/Vienna, or UTC") from None
    if settings.app_env == "production" and 0 < len(settings.secret_key) < 32:
        raise BadSetting(
            "SECRET_KEY: in production it has 32 characters or more; make one with: "
            'python -c "import secrets; print(secrets.token_hex(32))"'
        )
    return settings
