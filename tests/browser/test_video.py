"""Live video in a real browser: a real desk before a drawn room, broker, ingest and pages."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from agent import wire
from agent.wire import Instant
from hub.live_video import VideoFolder
from tests.brokers import Broker, mosquitto_broker
from tests.hub.seed import Centre as Seed
from tests.hub.seed import jpeg, now_ms
from tests.hub.website import PASSWORD, served
from tests.journey.centre import UNIT, Centre, centre
from tests.support import wait_for

__all__ = ["mosquitto_broker"]

PATIENCE_MS = 30_000
expect.set_options(timeout=PATIENCE_MS)
COUNT = """() => {
  const canvas = document.querySelector(".video canvas");
  window.drawn = new Set();
  new MutationObserver(() => window.drawn.add(canvas.dataset.at)).observe(canvas, { attributeFilter: ["data-at"] });
}"""
PIXELS = """() => {
  const canvas = document.querySelector(".video canvas");
  return [...canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data].reduce((a, b) => a + b, 0);
}"""


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page; what it complains about fails the test."""
    context = browser.new_context(viewport={"width": 1366, "height": 768})
    context.set_default_timeout(PATIENCE_MS)
    made, complaints = context.new_page(), []
    made.on("pageerror", lambda error: complaints.append(str(error)))
    made.on("console", lambda line: complaints.append(line.text) if "Content Security" in line.text else None)
    yield made
    context.close()
    assert complaints == []


@pytest.fixture
def place(tmp_path: Path, mosquitto_broker: Broker) -> Iterator[Centre]:
    with centre(tmp_path, mosquitto_broker) as made:
        yield made


def log_in(page: Page, address: str, name: str, password: str) -> None:
    page.goto(f"{address}/login")
    page.fill("#name", name)
    page.fill("#password", password)
    page.click("button.primary")
    page.wait_for_url(f"{address}/")


def drawn(page: Page) -> int:
    return int(page.evaluate("window.drawn.size"))


def test_a_seat_is_watched_live_and_a_desk_that_stops_is_never_shown_as_live(place: Centre, page: Page) -> None:
    """From the button to moving pictures; the desk stands still: the picture is greyed and its age said; it goes on:
    live again by itself. When the page is left the desk is asked no more."""
    place.start_ingest()
    address = place.start_web()
    place.start_desk("demo:steady", EMS_RECORD_FPS="15")
    place.plan()
    wait_for(place.heartbeat)
    marks = place.folder / "live" / "watch"
    log_in(page, address, "proctor", place.password)
    page.goto(f"{address}/seats/1")
    video = page.locator(".video")
    button = video.get_by_role("button", name="Watch live")
    expect(button).to_have_attribute("aria-pressed", "false")
    assert not (marks / UNIT).exists()
    button.focus()
    page.evaluate(COUNT)
    page.keyboard.press("Enter")
    expect(video).to_have_attribute("data-state", "live")
    wait_for(lambda: drawn(page) >= 30)
    first = page.evaluate(PIXELS)
    wait_for(lambda: page.evaluate(PIXELS) != first)
    expect(video.locator('[data-video="state"]')).to_have_text("Live")
    expect(video.locator('[data-video="age"]')).to_contain_text("s old")
    assert page.evaluate(
        "[document.querySelector('.video canvas').width, document.querySelector('.video canvas').height]"
    ) == [640, 360]

    os.kill(place.processes[UNIT].pid, signal.SIGSTOP)
    try:
        expect(video).to_have_attribute("data-state", "stale")
        expect(video.locator('[data-video="words"]')).to_contain_text("No picture for")
        expect(video.locator("canvas[data-stale]")).to_be_visible()
        expect(video.locator('[data-video="state"]')).to_have_text("")
    finally:
        os.kill(place.processes[UNIT].pid, signal.SIGCONT)
    expect(video).to_have_attribute("data-state", "live")
    expect(video.locator("canvas[data-stale]")).to_have_count(0)

    page.keyboard.press("w")
    expect(video).to_have_attribute("data-state", "off")
    wait_for(lambda: not (marks / UNIT).exists())
    page.keyboard.press("w")
    expect(video).to_have_attribute("data-state", "live")
    page.goto(f"{address}/incidents/")
    wait_for(lambda: not (marks / UNIT).exists())


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[tuple[str, Seed]]:
    with served(tmp_path, EMS_MAX_VIDEO_VIEWERS="1") as (address, seed):
        room = seed.room("Main hall")
        for number in (1, 2):
            seed.seat(room, f"A{number}", f"c.d{number}")
            seed.heartbeat(f"c.d{number}")
        seed.seat(room, "A3")
        yield address, seed


def put(seed: Seed, unit: str, number: int) -> None:
    data = jpeg(number)
    note = wire.StillNote(boot=1, at=Instant(now_ms(), now_ms()), sha256=wire.sha256_hex(data))
    VideoFolder(seed.folder.path).put(unit, wire.encode(wire.Still(note, data)), now_ms())


def test_each_state_is_said_in_words(hub: tuple[str, Seed], browser: Browser, page: Page) -> None:
    """Asking, too many viewers, desk offline, camera lost, no desk; who waits is let in when a place is free."""
    address, seed = hub
    log_in(page, address, "Ada", PASSWORD)
    page.goto(f"{address}/seats/1")
    words = page.locator('[data-video="words"]')
    page.get_by_role("button", name="Watch live").click()
    expect(words).to_have_text("Asking the desk for live video")
    other = page.context.new_page()
    other.goto(f"{address}/seats/2")
    other.keyboard.press("w")
    expect(other.locator('[data-video="words"]')).to_contain_text("As many people watch live video as the hub serves")
    seed.heartbeat("c.d1", is_online=False)
    expect(words).to_contain_text("The desk is offline")
    seed.heartbeat("c.d1")
    seed.fault("c.d1", "camera_lost")
    expect(words).to_contain_text("has lost its camera")
    page.goto(f"{address}/seats/3")
    page.keyboard.press("w")
    expect(words).to_contain_text("No desk unit is assigned")
    expect(other.locator(".video")).to_have_attribute("data-state", "connecting")
    put(seed, "c.d2", 1)
    expect(other.locator(".video")).to_have_attribute("data-state", "live")
    expect(other.locator(".video")).to_have_attribute("data-state", "stale")


def test_it_is_given_up_when_nobody_sits_there(hub: tuple[str, Seed], page: Page) -> None:
    """Ten minutes without a sign of a person: asked, and no longer watched; somebody says so: watched again."""
    address, seed = hub
    log_in(page, address, "Ada", PASSWORD)
    page.clock.install()
    page.goto(f"{address}/seats/1")
    page.keyboard.press("w")
    mark = seed.folder.path / "watch" / "c.d1"
    wait_for(mark.exists)
    page.clock.fast_forward("10:01")
    expect(page.get_by_text("Still watching?")).to_be_visible()
    wait_for(lambda: not mark.exists())
    page.get_by_role("button", name="Go on watching").click()
    wait_for(mark.exists)
    expect(page.get_by_text("Still watching?")).to_be_hidden()
