"""The desk's settings: what is right is taken, what is wrong stops the start in one line that names the variable."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from agent.config import BadSetting, Settings, load, variable_of

UNIT = {"EMS_UNIT": "hall.desk-07"}

WRONG = [
    ("EMS_UNIT", "desk-07"),
    ("EMS_UNIT", "Hall.Desk"),
    ("EMS_UNIT", "hall.desk.07"),
    ("EMS_UNIT", f"hall.{'d' * 25}"),
    ("APP_ENV", "staging"),
    ("LOG_LEVEL", "debug"),
    ("EMS_BROKER_PORT", "0"),
    ("EMS_BROKER_PORT", "65536"),
    ("EMS_BROKER_PORT", "mqtt"),
    ("EMS_BROKER_PROTOCOL", "3"),
    ("EMS_FACE_MODEL", "long_range"),
    ("EMS_VISION_FPS", "0"),
    ("EMS_VISION_FPS", "nan"),
    ("EMS_VISION_FPS", "inf"),
    ("EMS_VISION_FPS", "31"),
    ("EMS_RECORD_WIDTH", "1281"),
    ("EMS_RECORD_WIDTH", "62"),
    ("EMS_RECORD_HEIGHT", "4098"),
    ("EMS_RECORD_HEIGHT", "720p"),
    ("EMS_RECORD_FPS", "0"),
    ("EMS_RECORD_FPS", "29.97"),
    ("EMS_RECORD_BITRATE_BPS", "1.5M"),
    ("EMS_RECORD_BITRATE_BPS", "99999"),
    ("EMS_SEGMENT_S", "1"),
    ("EMS_STORAGE_LOW_BYTES", "-1"),
    ("EMS_UPLOAD_BYTES_PER_S", "2M"),
    ("EMS_PANEL", "lamp"),
    ("EMS_LAMP_RED_PIN", "28"),
    ("EMS_LAMP_GREEN_PIN", "GPIO17"),
    ("EMS_LAMP_BLUE_PIN", "-1"),
    ("EMS_BUZZER_PIN", "x"),
    ("EMS_BUTTON_PIN", "1e3"),
    ("EMS_IS_LAMP_ACTIVE_HIGH", "perhaps"),
    ("EMS_IS_CLOCK_TRUSTED", "2"),
    ("EMS_HUB", "h" * 254),
    ("EMS_CA_FINGERPRINT", "1a2b"),
    ("EMS_CA_FINGERPRINT", "x" * 64),
    ("EMS_DOOR_PORT", "https"),
    ("EMS_LOG_FORMAT", "xml"),
    ("EMS_BUZZER", "loud"),
    ("EMS_IS_BUZZER_ACTIVE_HIGH", "perhaps"),
    ("EMS_IS_BUTTON_TO_GROUND", "perhaps"),
    ("EMS_BUZZER_PIN", "17"),
    ("EMS_BUTTON_PIN", "23"),
    ("EMS_LAMP_BLUE_PIN", "27"),
]
FREE_TEXT = {
    "storage_path",
    "camera_device",
    "broker_host",
    "models_path",
    "provisioning_path",
    "run_path",
    "panel_socket",
}


@pytest.mark.parametrize(("variable", "value"), WRONG)
def test_a_wrong_value_is_one_line_that_names_the_variable(variable: str, value: str) -> None:
    """Whoever starts the desk reads which variable is wrong, and nothing but that."""
    with pytest.raises(BadSetting) as caught:
        load({**UNIT, variable: value}, None)
    text = str(caught.value)
    assert text.startswith(f"{variable}: ")
    assert len(text.splitlines()) == 1
    assert len(text) > len(variable) + 10


def test_every_setting_that_can_be_wrong_is_tried() -> None:
    """A new setting gets its wrong value in the table above, or takes any text."""
    tried = {variable for variable, _ in WRONG}
    for field in Settings.__struct_fields__:
        assert field in FREE_TEXT or variable_of(field) in tried, field


@pytest.mark.parametrize("environ", [{}, {"EMS_UNIT": ""}])
def test_without_a_unit_the_line_says_what_one_looks_like(environ: dict[str, str]) -> None:
    """The only setting that somebody must give is asked for with an example."""
    with pytest.raises(BadSetting, match=r"^EMS_UNIT: .*hall\.desk-07; or EMS_HUB"):
        load(environ, None)


def test_a_plain_connection_to_another_machine_is_for_development() -> None:
    """In production nothing leaves this machine unencrypted; the line says how to enrol, or how to try it."""
    for loopback in ("127.0.0.1", "::1", "localhost", "127.3.2.1"):
        assert load({**UNIT, "EMS_BROKER_HOST": loopback}, None).broker_host == loopback
    for other in ("hub.local", "10.0.0.5", "0.0.0.0"):
        with pytest.raises(BadSetting, match=r"^EMS_BROKER_HOST: .*ems-agent setup.*APP_ENV=development"):
            load({**UNIT, "EMS_BROKER_HOST": other}, None)
        assert load({**UNIT, "EMS_BROKER_HOST": other, "APP_ENV": "development"}, None).broker_host == other
    hub = {"EMS_HUB": "hub.local", "EMS_CA_FINGERPRINT": "ab" * 16}
    assert load({**hub, "EMS_BROKER_HOST": "hub.local"}, None).unit == ""


def test_a_hub_needs_its_fingerprint() -> None:
    """A hub's name alone authenticates nobody."""
    with pytest.raises(BadSetting, match=r"^EMS_HUB: .*EMS_CA_FINGERPRINT.*ems-hub ca show"):
        load({"EMS_HUB": "hub.local"}, None)


def test_a_desk_that_was_set_up_needs_no_setting(tmp_path: Path) -> None:
    """`ems-agent setup` is enough; and before it, who the desk is need not be said."""
    environ = {"STORAGE_PATH": str(tmp_path)}
    with pytest.raises(BadSetting):
        load(environ, None)
    assert load(environ, None, may_be_nobody=True).unit == ""
    (tmp_path / "identity").mkdir()
    (tmp_path / "identity" / "hub.json").write_text("{}")
    assert load(environ, None).unit == ""


def test_values_get_their_types() -> None:
    """Text from the environment becomes numbers, booleans and paths."""
    settings = load(
        {
            **UNIT,
            "STORAGE_PATH": "/data/desk",
            "EMS_MODELS_PATH": "models/files",
            "EMS_BROKER_PORT": "8883",
            "EMS_VISION_FPS": "2.5",
            "EMS_IS_LAMP_ACTIVE_HIGH": "false",
            "EMS_IS_CLOCK_TRUSTED": "1",
        },
        None,
    )
    assert settings.unit == "hall.desk-07"
    assert settings.storage_path == Path("/data/desk")
    assert settings.models_path == Path("models/files")
    assert (settings.broker_port, settings.vision_fps) == (8883, 2.5)
    assert (settings.is_lamp_active_high, settings.is_clock_trusted) == (False, True)


def test_an_empty_variable_means_the_default() -> None:
    """`EMS_BROKER_PORT=` in an EnvironmentFile is how people leave a value out."""
    assert load({**UNIT, "EMS_BROKER_PORT": "", "STORAGE_PATH": ""}, None) == Settings(unit="hall.desk-07")


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    """A value in `.env` holds until the environment says otherwise."""
    dotenv = tmp_path / ".env"
    dotenv.write_text('EMS_UNIT="hall.desk-01"\nEMS_BROKER_HOST=localhost # here\nCAMERA_DEVICE=2\nPATH=/nowhere\n')
    settings = load({"CAMERA_DEVICE": "/dev/video4"}, dotenv)
    assert (settings.unit, settings.broker_host, settings.camera_device) == ("hall.desk-01", "localhost", "/dev/video4")
    assert load(UNIT, dotenv).unit == "hall.desk-07"


def test_a_wrong_value_in_the_file_is_named_too(tmp_path: Path) -> None:
    """It makes no difference where the wrong value stands."""
    dotenv = tmp_path / ".env"
    dotenv.write_text("EMS_UNIT=hall.desk-01\nEMS_SEGMENT_S=ten\n")
    with pytest.raises(BadSetting, match=r"^EMS_SEGMENT_S: "):
        load({}, dotenv)


def test_without_the_file_the_environment_is_enough(tmp_path: Path) -> None:
    """No `.env` is the usual case on a desk: systemd hands the settings over."""
    assert load(UNIT, tmp_path / ".env").unit == "hall.desk-07"


@given(st.sampled_from(Settings.__struct_fields__), st.text(max_size=40))
@example("broker_host", "\x85")  # a line end that `splitlines` knows
def test_whatever_stands_there_it_is_taken_or_named(field: str, value: str) -> None:
    """No value gets past as something else or ends in another error."""
    complaint = ""
    try:
        settings = load({**UNIT, variable_of(field): value}, None)
    except BadSetting as error:
        complaint = str(error)
    else:
        assert msgspec.convert(msgspec.to_builtins(settings, enc_hook=str), Settings, dec_hook=path_of) == settings
    assert not complaint or complaint.startswith(f"{variable_of(field)}: ")
    assert len(complaint.splitlines()) <= 1


def path_of(_kind: type, value: str) -> Path:
    return Path(value)
