"""`ems-agent drill`: ask the running agent for a drill, and tell each step as it comes."""

from __future__ import annotations

import threading
from collections.abc import Callable

import msgspec

from agent import host
from agent.config import Settings
from agent.core.local_status import DrillNow, Life
from agent.drill import IS_ON, NEEDS_REASON
from agent.local import ASK_WITHIN_MS, Ask, Reply, run_folder
from agent.status import ask, find, read_status
from agent.wire_lamp import PatternName

STEPS = ("raised", "lamp", "recorded", "sent", "receipted")
_DONE = {
    "raised": "raised by the judge",
    "recorded": "recorded on the card, signed",
    "sent": "sent to the broker",
    "receipted": "the hub's receipt came",
}
_MISSING = {
    "raised": "the judge did not raise it",
    "lamp": "the lamp did not show it",
    "recorded": "not recorded: the card hangs, see `ems-agent doctor`",
    "sent": "not sent: no connection to the broker, see `ems-agent status`",
    "receipted": "hub did not confirm within {within:g} s: is `ems-hub ingest` running, and this unit known there?",
}
_WAY_OUT = {IS_ON: "end it with `ems-agent drill --end`", NEEDS_REASON: "say it with --force"}


class NoDrill(Exception):
    """Not begun; one line says why."""


def _ask(settings: Settings, command: str, why: str = "") -> Reply:
    what = Ask(command=command, up_ms=host.Clock().now().up_ms, why=why)
    try:
        data = ask(run_folder(settings), msgspec.json.encode(what), ASK_WITHIN_MS / 1000)
        reply = msgspec.json.decode(data, type=Reply)
    except (FileNotFoundError, ConnectionRefusedError, NotADirectoryError):
        raise NoDrill(_why_nobody_listens(settings)) from None
    except PermissionError:
        raise NoDrill("this user may not command the agent: try with sudo") from None
    except TimeoutError:
        raise NoDrill("the agent does not answer: it hangs, see `ems-agent status`") from None
    except (OSError, msgspec.MsgspecError) as error:
        raise NoDrill(f"the agent cannot be asked: {error}") from None
    if reply.refused:
        raise NoDrill("; ".join(filter(None, (reply.refused, _WAY_OUT.get(reply.refused)))))
    return reply


def _why_nobody_listens(settings: Settings) -> str:
    _, finding = find(settings, host.Clock().now())
    if finding.life is Life.ENROLLING:
        return f"it is still {finding.words}"
    return "no agent runs here: start it with `systemctl start ems-agent`"


def _refusal(settings: Settings) -> str:
    status, _ = read_status(run_folder(settings))
    return "" if status is None else status.door_refusal


def begin(settings: Settings, why: str) -> DrillNow:
    """Raises NoDrill."""
    drill = _ask(settings, "drill", why[:200]).drill
    if drill is None:
        raise NoDrill("the agent began none: are agent and tools of one version?")
    return drill


def end(settings: Settings) -> str:
    """Clear the drill that is on; what was done, in words. Raises NoDrill."""
    was = _ask(settings, "drill_state").drill
    if was is None or was.cleared_up_ms is not None:
        return "no drill is on"
    _ask(settings, "drill_end")
    return f"DRILL {was.alert} cleared"


def _is_done(drill: DrillNow, step: str) -> bool:
    if step == "lamp":
        return drill.lamp == PatternName.DRILL
    return getattr(drill, f"{step}_up_ms") is not None


def follow(settings: Settings, asked: DrillNow, within_s: float, every_s: float, tell: Callable[[str], object]) -> bool:
    """Tell each step with its time since the drill was asked for; whether all of them came in time."""
    pause, seen, told = threading.Event(), asked, set[str]()
    clock = host.Clock()
    while clock.now().up_ms - asked.asked_up_ms < within_s * 1000:
        for step in STEPS:
            if step not in told and _is_done(seen, step):
                told.add(step)
                words = _DONE.get(step, f"the lamp shows {seen.lamp}")
                tell(f"  {getattr(seen, f'{step}_up_ms') - asked.asked_up_ms:>6} ms  {words}")
        if len(told) == len(STEPS):
            return True
        pause.wait(every_s)
        try:
            newer = _ask(settings, "drill_state").drill
        except NoDrill as problem:
            tell(f"  {problem}")
            return False
        if newer is None or newer.alert != asked.alert:
            tell("  another drill was begun, or the agent was started anew")
            return False
        seen = newer
    missing = [step for step in STEPS if step not in told]
    refusal = _refusal(settings)
    if refusal and {"sent", "receipted"} & set(missing):
        missing = [step for step in missing if step not in ("sent", "receipted")]
        tell(f"       --     the hub takes nothing of this desk: {refusal}")
    for step in missing:
        why = f"; it shows {seen.lamp}" if step == "lamp" and seen.lamp else ""
        tell(f"       --     {_MISSING[step].format(within=within_s)}{why}")
    return False
