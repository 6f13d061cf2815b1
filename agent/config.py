"""The desk's settings: environment (and `.env`) in, one frozen value out; a wrong value stops the start in one line."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import msgspec
from dotenv import dotenv_values
from msgspec import Meta

from agent.identity import has_hub
from agent.wire import UNIT_PATTERN
from agent.wire_door import read_fingerprint


class BadSetting(Exception):
    """A setting is wrong; the text names it and what it may be."""


Port = Annotated[int, Meta(ge=1, le=65_535)]
Pin = Annotated[int, Meta(ge=0, le=27)]
EvenPixels = Annotated[int, Meta(ge=64, le=4096, multiple_of=2)]


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Field names are the variables' names in lower case, without EMS_. Pins are BCM numbers."""

    unit: Annotated[str, Meta(pattern=rf"^\Z|{UNIT_PATTERN}")] = ""
    hub: Annotated[str, Meta(max_length=253)] = ""
    ca_fingerprint: str = ""
    door_port: Port = 8443
    provisioning_path: Path | None = None
    run_path: Path | None = None
    panel_socket: Path | None = None
    app_env: Annotated[str, Meta(pattern="^(production|development)$")] = "production"
    storage_path: Path = Path("./var/desk")
    camera_device: Annotated[str, Meta(min_length=1)] = "0"
    log_level: Annotated[str, Meta(pattern="^(DEBUG|INFO|WARNING|ERROR)$")] = "INFO"
    log_format: Annotated[str, Meta(pattern="^(plain|json)$")] = "plain"
    broker_host: str = "127.0.0.1"
    broker_port: Port = 1883
    broker_protocol: Annotated[int, Meta(ge=4, le=5)] = 5
    models_path: Path | None = None
    face_model: Annotated[str, Meta(pattern="^(full_range|short_range)$")] = "full_range"
    vision_fps: Annotated[float, Meta(gt=0, le=30)] = 5.0
    record_width: EvenPixels = 1280
    record_height: EvenPixels = 720
    record_fps: Annotated[int, Meta(ge=1, le=60)] = 15
    record_bitrate_bps: Annotated[int, Meta(ge=100_000, le=20_000_000)] = 1_500_000
    segment_s: Annotated[int, Meta(ge=2, le=600)] = 10
    storage_low_bytes: Annotated[int, Meta(ge=0)] = 2_000_000_000
    upload_bytes_per_s: Annotated[int, Meta(ge=0)] = 2_000_000
    panel: Annotated[str, Meta(pattern="^(gpio|mock)$")] = "mock"
    lamp_red_pin: Pin = 17
    lamp_green_pin: Pin = 27
    lamp_blue_pin: Pin = 22
    is_lamp_active_high: bool = True
    buzzer_pin: Pin = 23
    buzzer: Annotated[str, Meta(pattern="^(active|tonal|none)$")] = "active"
    is_buzzer_active_high: bool = True
    button_pin: Pin = 24
    is_button_to_ground: bool = True
    is_clock_trusted: bool = False


PLAIN = frozenset({"APP_ENV", "STORAGE_PATH", "CAMERA_DEVICE", "LOG_LEVEL"})
"""Variables with a name of their own; every other setting is EMS_ and the field's name."""


def variable_of(field: str) -> str:
    return field.upper() if field.upper() in PLAIN else f"EMS_{field.upper()}"


def _path(kind: type, value: object) -> object:
    if kind is Path and isinstance(value, str):
        return Path(value)
    raise NotImplementedError  # msgspec's word for: not a type this hook knows


def load(
    environ: Mapping[str, str] | None = None, dotenv: Path | None = Path(".env"), *, may_be_nobody: bool = False
) -> Settings:
    """Read the settings; the environment wins over `.env`. `may_be_nobody`: it need not be said yet who this desk is,
    as before it is set up. Raises BadSetting."""
    given = dict(dotenv_values(dotenv)) if dotenv is not None and dotenv.exists() else {}
    given.update(os.environ if environ is None else environ)
    values = {
        field: given[variable_of(field)]
        for field in Settings.__struct_fields__
        if given.get(variable_of(field)) not in (None, "")
    }
    try:
        settings = _checked(msgspec.convert(values, Settings, strict=False, dec_hook=_path))
    except msgspec.ValidationError as error:
        text, _, place = str(error).partition(" - at `$.")
        raise BadSetting(f"{variable_of(place.rstrip('`'))}: {text}" if place else text) from None
    if not may_be_nobody:
        _check_who(settings)
    return settings


def _checked(settings: Settings) -> Settings:
    _check_pins(settings)
    if settings.ca_fingerprint:
        try:
            read_fingerprint(settings.ca_fingerprint)
        except ValueError as error:
            raise BadSetting(f"EMS_CA_FINGERPRINT: {error}") from None
    return settings


def _check_who(settings: Settings) -> None:
    if settings.hub and not settings.ca_fingerprint and not has_hub(settings.storage_path):
        raise BadSetting(
            "EMS_HUB: needs EMS_CA_FINGERPRINT beside it, by which the hub is known; `ems-hub ca show` prints it there"
        )
    if is_with_hub(settings):
        return
    if not settings.unit:
        raise BadSetting(
            "EMS_UNIT: this desk's name is needed, as centre.desk, for example hall.desk-07; or EMS_HUB, to enrol with"
        )
    if settings.app_env == "production" and not _is_this_machine(settings.broker_host):
        raise BadSetting(
            f"EMS_BROKER_HOST: {settings.broker_host!r} is another machine, and without a hub nothing is encrypted: "
            "enrol with `ems-agent setup`, or set APP_ENV=development to try it in the clear"
        )


def is_with_hub(settings: Settings) -> bool:
    """Whether this desk enrols, or is enrolled; else the settings alone say who it is."""
    return bool(settings.hub or settings.provisioning_path) or has_hub(settings.storage_path)


def _is_this_machine(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _check_pins(settings: Settings) -> None:
    """Two things on one pin: gpiozero would name neither setting."""
    taken: dict[int, str] = {}
    for field in ("lamp_red_pin", "lamp_green_pin", "lamp_blue_pin", "buzzer_pin", "button_pin"):
        pin = getattr(settings, field)
        if field == "buzzer_pin" and settings.buzzer == "none":
            continue
        if pin in taken:
            raise BadSetting(f"{variable_of(field)}: pin {pin} is taken by {taken[pin]}; give each a pin of its own")
        taken[pin] = variable_of(field)
