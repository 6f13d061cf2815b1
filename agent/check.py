"""The parts of a desk that can be tried while no agent holds them; `agent.doctor` has the other checks."""

from __future__ import annotations

import os
import socket
import tempfile
from pathlib import Path
from typing import NamedTuple

import models
from agent import host
from agent.camera import CameraLost
from agent.config import BadSetting, Settings
from agent.devices import open_camera, panel_pins
from agent.identity_view import view_identity
from agent.panel import Panel, PanelProblem
from agent.unit_key import load_key
from agent.vision import open_vision
from agent.vision.runtime import VisionProblem


class Result(NamedTuple):
    """One check; `words` says what was found, and what to do if it failed."""

    name: str
    is_fine: bool
    words: str


def camera(settings: Settings) -> Result:
    try:
        camera = open_camera(settings)
        camera.start(None)
    except (CameraLost, BadSetting) as error:
        return Result("camera", False, f"{error}; look at the cable and at CAMERA_DEVICE")
    try:
        picture = camera.newest(0, timeout_s=5)
    except CameraLost as error:
        return Result("camera", False, str(error))
    finally:
        camera.stop()
    if picture is None:
        return Result("camera", False, "no picture within 5 s; unplug it and plug it in again")
    height, width = picture.rgb.shape[:2]
    return Result("camera", True, f"{settings.camera_device}: a picture of {width}x{height} for vision")


def model(settings: Settings) -> Result:
    try:
        vision = open_vision(settings.face_model, settings.models_path)
    except (models.ModelProblem, VisionProblem) as error:
        return Result("model", False, str(error))
    names = ", ".join(f"{name} ({sha256[:12]})" for name, sha256 in vision.models.items())
    return Result("model", True, f"the pinned files, and they run: {names}")


def storage(settings: Settings) -> Result:
    folder = settings.storage_path
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder) as file:
            file.write(b"x")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        return Result(
            "storage", False, f"{folder} cannot be written: {error.strerror}; look at the card and STORAGE_PATH"
        )
    free = host.free_bytes(folder) or 0
    hours = free / (settings.record_bitrate_bps / 8 * 3600)
    words = f"{folder}: {free / 1e9:.1f} GB free, about {hours:.0f} hours of recording"
    if free < settings.storage_low_bytes:
        return Result("storage", False, f"{words}; less than EMS_STORAGE_LOW_BYTES, make room")
    return Result("storage", True, words)


def clock(settings: Settings) -> Result:
    if host.Clock(is_trusted=settings.is_clock_trusted).is_ok():
        return Result("clock", True, "set by a time server, or vouched for")
    return Result("clock", False, "no time server sets it; recording works, times may be off")


def panel(settings: Settings) -> Result:
    if settings.panel_socket is not None:
        return _panel_process(settings.panel_socket)
    if settings.panel == "mock":
        return Result("panel", True, "mock pins: this machine has no lamp (EMS_PANEL=gpio for one)")
    try:
        Panel(panel_pins(settings)).close()
    except PanelProblem as error:
        return Result("panel", False, str(error))
    return Result("panel", True, "lamp, buzzer and button can be used")


def _panel_process(path: Path) -> Result:
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as line:
        try:
            line.connect(str(path))
        except OSError as error:
            words = f"{path}: {error.strerror or error}; start ems-panel, or look at EMS_PANEL_SOCKET"
            return Result("panel", False, words)
    return Result("panel", True, f"the panel's process answers at {path}")


def key(settings: Settings) -> Result:
    folder = settings.storage_path
    try:
        key = load_key(folder / "unit.key", may_make=not (folder / "records.db").exists())
    except (ValueError, OSError) as error:
        return Result("key", False, str(error))
    public = key.public_key().public_bytes_raw().hex()
    identity = view_identity(folder)
    if identity.is_enrolled:
        return Result("key", True, f"known to the hub as {identity.unit}, public key {public}")
    if identity.hub or settings.hub:
        return Result("key", True, f"public key {public}: the hub takes it in with the enrolment")
    return Result("key", True, f"on the hub: ems-hub unit add {settings.unit} --public-key {public}")
