"""The devices that the settings name: which camera, which pins."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import models
from agent.camera import Camera
from agent.camera.footage import FootageCamera
from agent.camera.scenes import SCRIPTS, SceneCamera
from agent.camera.webcam import Webcam
from agent.config import BadSetting, Settings
from agent.panel import Panel, PanelPins, Press
from agent.panel_link import PanelLink


def open_camera(settings: Settings) -> Camera:
    """The camera that CAMERA_DEVICE names, not yet started. Raises BadSetting for a kind that does not exist."""
    size, fps = (settings.record_width, settings.record_height), settings.record_fps
    kind, colon, what = settings.camera_device.partition(":")
    if kind == "footage" and colon:
        return FootageCamera(Path(what), size, fps)
    if kind == "demo" and colon:
        scene, at, opens = what.partition("@")
        if scene not in SCRIPTS:
            raise BadSetting(f"CAMERA_DEVICE: there is no demo scene {scene!r}; there are {', '.join(SCRIPTS)}")
        if at and not re.fullmatch("[0-9]{1,15}", opens):
            raise BadSetting(f"CAMERA_DEVICE: {opens!r} is not a time in milliseconds UTC: write demo:{scene}@TIME")
        folder = settings.models_path or models.FILES_FOLDER
        return SceneCamera(scene, folder, size, fps, opens_utc_ms=int(opens) if at else None)
    if kind == "picamera":
        raise BadSetting("CAMERA_DEVICE: the Raspberry Pi's own camera is not in this version; use a USB camera")
    return Webcam(settings.camera_device, size, fps)


def panel_pins(settings: Settings) -> PanelPins | None:
    """The panel's pins; None for mock pins."""
    if settings.panel == "mock":
        return None
    return PanelPins(
        red=settings.lamp_red_pin,
        green=settings.lamp_green_pin,
        blue=settings.lamp_blue_pin,
        buzzer=None if settings.buzzer == "none" else settings.buzzer_pin,
        button=settings.button_pin,
        is_lamp_active_high=settings.is_lamp_active_high,
        is_buzzer_active_high=settings.is_buzzer_active_high,
        is_buzzer_tonal=settings.buzzer == "tonal",
        is_button_to_ground=settings.is_button_to_ground,
    )


def open_panel(settings: Settings, on_button: Callable[[Press], None]) -> Panel | PanelLink:
    """The panel in this process, or the line to the process that holds the pins. Raises PanelProblem."""
    if settings.panel_socket is not None:
        return PanelLink(settings.panel_socket, on_button)
    return Panel(panel_pins(settings), on_button)
