"""The hub's settings: environment and `.env` in, one frozen value or one clear line out."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.wire import Mode
from hub.config import PLAIN, BadSetting, Settings, load, variable_of

NEEDED = {"SECRET_KEY": "k" * 32}


def test_defaults_are_for_production() -> None:
    """Nothing but the secret key must be given, and a unit nobody enrolled is not trusted."""
    settings = load(NEEDED, None)
    assert settings.app_env == "production"
    assert settings.trust_new_units is False
    assert settings.proctoring_mode is Mode.AUTOMATED
    assert settings.database_path == Path("./var/hub/hub.db")


def test_every_field_has_a_variable_of_its_own() -> None:
    """No two fields answer to one name."""
    names = [variable_of(field) for field in Settings.__struct_fields__]
    assert len(set(names)) == len(names)
    assert {name for name in names if not name.startswith("EMS_")} == PLAIN


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    """An empty variable is as if not given."""
    dotenv = tmp_path / ".env"
    dotenv.write_text("LOG_LEVEL=DEBUG\nEMS_WEB_PORT=9000\nEMS_ZONE=Europe/Vienna\n")
    settings = load(NEEDED | {"EMS_WEB_PORT": "9001", "EMS_ZONE": ""}, dotenv)
    assert (settings.log_level, settings.web_port) == ("DEBUG", 9001)


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("APP_ENV", "test"),
        ("SECRET_KEY", "short"),
        ("DATABASE_URL", "postgresql://x"),
        ("RECORDING_FORMAT", "avi"),
        ("EMS_ZONE", "Europe/Nowhere"),
        ("EMS_ZONE", "../etc/passwd"),
        ("PROCTORING_MODE", "strict"),
        ("LOG_LEVEL", "LOUD"),
        ("EMS_BROKER_PORT", "0"),
        ("EMS_BROKER_PORT", "many"),
        ("EMS_BROKER_PROTOCOL", "3"),
        ("EMS_TRUST_NEW_UNITS", "perhaps"),
        ("EMS_BROKER_TLS", "perhaps"),
        ("EMS_UNIT_CERTIFICATE_DAYS", "0"),
        ("EMS_DOOR_PORT", "https"),
        ("EMS_MDNS", "perhaps"),
        ("EMS_LOG_FORMAT", "xml"),
    ],
)
def test_a_wrong_value_stops_the_start_in_one_line(name: str, wrong: str) -> None:
    """The line begins with the variable, and a password in a database's address is not in it."""
    with pytest.raises(BadSetting) as caught:
        load(NEEDED | {name: wrong}, None)
    assert str(caught.value).startswith(f"{name}: ")
    assert "\n" not in str(caught.value)


S3 = {
    "S3_ENDPOINT": "https://s3.centre.example",
    "EMS_S3_ACCESS_KEY": "an-access-key",
    "EMS_S3_SECRET_KEY": "a-secret-key",
}


def test_an_s3_service_is_taken_with_its_keys() -> None:
    """Over TLS anywhere; without, on this machine, and elsewhere only in development."""
    assert load(NEEDED | S3, None).s3_endpoint == "https://s3.centre.example"
    assert load(NEEDED | S3 | {"S3_ENDPOINT": "http://127.0.0.1:9000"}, None).s3_bucket == "ems"
    load(NEEDED | S3 | {"S3_ENDPOINT": "http://10.0.0.5:9000", "APP_ENV": "development"}, None)


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("S3_ENDPOINT", "s3.centre.example"),
        ("S3_ENDPOINT", "http://10.0.0.5:9000"),
        ("S3_ENDPOINT", "https://key:secret@s3.centre.example"),
        ("EMS_S3_BUCKET", "Films!"),
        ("EMS_S3_ACCESS_KEY", ""),
        ("EMS_S3_SECRET_KEY", ""),
        ("EMS_S3_CA_PATH", "/not/there.pem"),
    ],
)
def test_a_wrong_s3_setting_stops_the_start_in_one_line(name: str, wrong: str) -> None:
    """The line begins with the variable, and no key is in it."""
    with pytest.raises(BadSetting) as caught:
        load(NEEDED | S3 | {name: wrong}, None)
    assert str(caught.value).startswith(f"{name}: ")
    assert "secret" not in str(caught.value)


def test_keys_are_not_in_what_the_settings_say_of_themselves() -> None:
    """A log line or a failing test that prints the settings gives nothing away."""
    told = repr(load(NEEDED | S3, None))
    assert "s3.centre.example" in told
    for secret in (S3["EMS_S3_ACCESS_KEY"], S3["EMS_S3_SECRET_KEY"], NEEDED["SECRET_KEY"]):
        assert secret not in told
