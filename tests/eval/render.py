"""The page `models/README.md` from the stored figures and the manifest. Pure, but for reading its template."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from string import Template

import models
from tests.eval.chance import upper_mean, upper_rate
from tests.eval.detectors import MEDIAPIPE_FULL
from tests.eval.figures import DISTANCE, LIGHT, OCCLUSION, everything
from tests.eval.quality import Faces, FalseAlert, Quality, SeatRun, SeatTable
from tests.eval.scoring import Tally, share, total
from tests.eval.seats import TRUE_STATES

TEMPLATE = Path(__file__).with_name("readme.txt")
NONE = "-"
_FIGURES = ("0 / 1 / 2+ right", "number right", "presence P", "R", "absence P", "R", "2+ P", "R")
_FALSE_SHOWN = 20


def page(quality: Quality, manifest: models.Manifest) -> str:
    """The whole of `models/README.md`."""
    return Template(TEMPLATE.read_text(encoding="utf-8")).substitute(
        models=files_table(manifest),
        basis=basis(quality),
        faces=faces_table(quality),
        faces_notes=faces_notes(quality),
        looks=f"{quality.basis.looks_a_second:g}",
        by_item=by_item(quality),
        by_item_whole=by_item_whole(quality),
        groups=groups(quality),
        seat="\n\n".join(seat_table(each) for each in quality.seat) or "No film or picture tells of the seat.",
        seat_runs="\n\n".join(seat_run(run) for run in quality.seat_runs),
        kinds=kinds(quality),
        scene=scene(quality),
        rounds=quality.basis.rounds,
        cpu=quality.basis.cpu,
        cost=cost(quality),
        invoke=", ".join(f"`{name}` {ms:.2f} ms" for name, ms in quality.invoke_ms.items()) or "none was run",
        steps=steps(quality),
        choices=choices(quality),
    )


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown. Bars within a cell would end it and are escaped."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def part(value: float | None) -> str:
    """A share 0..1 with three digits. Never rounded up to a whole 1: 0.9996 is not all."""
    if value is None:
        return NONE
    return "0.999" if 0.9995 <= value < 1 else f"{value:.3f}"


def ms(value: float | None) -> str:
    """Milliseconds, or that nothing was measured."""
    return NONE if value is None else f"{value:.2f}"


def files_table(manifest: models.Manifest) -> str:
    """Every file, in the manifest's order."""
    wheels = {wheel.name: f"{wheel.name} {wheel.version}" for wheel in manifest.wheels}
    rows = ([f"`{e.name}`", wheels[e.wheel], re.split("[,:]", e.licence)[0], e.use] for e in manifest.files)
    return table(["name", "file of", "licence", "used for"], rows)


def basis(quality: Quality) -> str:
    """How much film, in a sentence."""
    base, whole = quality.basis, everything(quality.faces[0])
    return (
        f"This one: {whole.seconds} labelled seconds and pictures of {base.films} films and {base.pictures} pictures, "
        f"and {quality.faces[0].seat.seconds} of {base.seat_films} films and {base.seat_pictures} pictures about the "
        f"seat; {base.film_s / 3600:.2f} hours of film in all. Version {base.version}, Python {base.python}."
    )


def figures_of(tally: Tally) -> list[str]:
    """The cells under _FIGURES."""
    return [part(value) for value in tally.figures.values()]


def faces_table(quality: Quality) -> str:
    """The desk beside its peers: everything, then films, pictures and the second set."""
    rows = []
    for title, of in (
        ("films and pictures", everything),
        ("films", lambda faces: faces.films),
        ("pictures", lambda faces: faces.pictures),
        ("the set about the seat", lambda faces: faces.seat),
    ):
        for faces in quality.faces:
            tally = of(faces)
            if tally.seconds:
                rows.append([f"**{title}**, {tally.seconds}", f"{faces.name}", *figures_of(tally)])
    return table(["of", "detector", *_FIGURES], rows)


def faces_notes(quality: Quality) -> str:
    """Peers that are not there, and films on which the desk falls behind MediaPipe's larger model."""
    lines = [f"Not measured: {each.name}, because: {each.why}." for each in quality.missing]
    theirs = next((faces for faces in quality.faces if faces.name == MEDIAPIPE_FULL), None)
    if theirs is not None:
        mine = quality.faces[0].items
        worse = [
            f"`{name}` ({tally.right - mine[name].right} seconds)"
            for name, tally in theirs.items.items()
            if tally.right - mine[name].right > 1
        ]
        told = ", ".join(worse) or "none"
        lines.append(f"Films on which the desk is worse than {MEDIAPIPE_FULL} by more than one second: {told}.")
    return "\n".join(lines)


def by_item(quality: Quality) -> str:
    """One row a film, one column a detector."""
    rows = (
        [f"`{name}`", str(tally.seconds), *(_right(faces.items.get(name)) for faces in quality.faces)]
        for name, tally in quality.faces[0].items.items()
    )
    return table(["", "labelled", *(faces.name for faces in quality.faces)], rows)


def _right(tally: Tally | None) -> str:
    return NONE if tally is None or not tally.seconds else str(tally.right)


def by_item_whole(quality: Quality) -> str:
    """All figures of each film and detector."""
    rows = (
        [f"`{name}`", faces.name, *figures_of(faces.items[name])]
        for name in quality.faces[0].items
        for faces in quality.faces
        if name in faces.items
    )
    return table(["", "detector", *_FIGURES], rows)


def groups(quality: Quality) -> str:
    """By light, distance and occlusion, each beside the peers."""
    rows = []
    for heading, names in (("light", LIGHT), ("face height", DISTANCE), ("films tagged", tuple(OCCLUSION))):
        for name in names:
            mine = quality.faces[0].groups.get(name)
            if mine is not None:
                cells = [_group(faces.groups.get(name)) for faces in quality.faces]
                rows.append([heading, name, str(mine.seconds), *cells])
    return table(["", "", "labelled", *(faces.name for faces in quality.faces)], rows)


def _group(tally: Tally | None) -> str:
    if tally is None:
        return NONE
    return f"{part(share(tally.right, tally.seconds))} ({part(share(tally.found, tally.found + tally.missed))})"


def seat_table(seat: SeatTable) -> str:
    """Each witness's confusion: one row a witness, for each true state what was said."""
    first = next(iter(seat.by_witness.values()))
    said = list(next(iter(first.values())))
    counts = {str(true): sum(first[str(true)].values()) for true in TRUE_STATES}
    head = ["heard", *(f"{true} ({counts[str(true)]})" for true in TRUE_STATES)]
    rows = []
    for witness, confusion in seat.by_witness.items():
        cells = []
        for true in TRUE_STATES:
            told = [f"{name} {count}" for name in said if (count := confusion[str(true)][name])]
            cells.append(", ".join(told) or NONE)
        rows.append([witness, *cells])
    return f"*{seat.title[0].upper()}{seat.title[1:]}*; true state above, said in the cells:\n\n{table(head, rows)}"


def seat_run(run: SeatRun) -> str:
    """Was every empty seat told in time, was anybody overlooked."""
    lines = [f"**Seat rules at a dwell of {run.dwell_s:g} s, {run.title}** ({run.films} films)."]
    lines += [f"`{kind}` is not judged by this version." for kind in run.unjudged]
    lines += [_due(run, kind) for kind in dict.fromkeys(stretch.kind for stretch in run.due)]
    for kind in ("seat_empty", "face_not_visible"):
        if kind not in run.unjudged:
            wrong = [alert for alert in run.wrong if alert.kind == kind]
            lines.append(f"False `{kind}`: {len(wrong)}{_named(wrong)}.")
    return "\n".join(lines)


def _due(run: SeatRun, kind: str) -> str:
    due = [stretch for stretch in run.due if stretch.kind == kind]
    late = [s for s in due if s.after_s is None or s.after_s > run.dwell_s + 1]
    words = [
        f"`{s.film}` {s.begin_s:g}-{s.end_s:g} s " + ("never" if s.after_s is None else f"after {s.after_s:.1f} s")
        for s in late
    ]
    told = f": not so {', '.join(words)}" if words else ""
    return (
        f"`{kind}` raised within {run.dwell_s + 1:g} s in {len(due) - len(late)} of {len(due)} stretches that were "
        f"longer than the dwell{told}."
    )


def _named(wrong: Sequence[FalseAlert]) -> str:
    shown = []
    for alert in wrong[:_FALSE_SHOWN]:
        until = "its end" if alert.cleared_s is None else f"{alert.cleared_s:.1f} s"
        shown.append(f"`{alert.film}` {alert.raised_s:.1f} s to {until}")
    more = len(wrong) - len(shown)
    return f" ({', '.join(shown)}{f' and {more} more' if more else ''})" if wrong else ""


def kinds(quality: Quality) -> str:
    """False alerts with the hours they were counted over and the bound these allow. The last row leaves out what the
    truth says nothing of: all film would vouch for it."""
    rows = []
    for kind in quality.kinds:
        hours, count = kind.untrue_s / 3600, len(kind.wrong)
        bound = f"{upper_rate(count, hours):.0f}" if hours else NONE
        rows.append(
            [
                f"`{kind.kind}`",
                str(kind.raised),
                str(kind.unknown),
                f"{count}{_named(kind.wrong)}",
                f"{hours:.3f}",
                bound,
            ]
        )
    judged = [kind for kind in quality.kinds if kind.untrue_s]
    count = sum(len(kind.wrong) for kind in judged)
    hours = quality.basis.film_s / 3600
    bound = f"{upper_mean(count) / hours:.0f}" if hours else NONE
    raised, unknown = (str(sum(getattr(kind, name) for kind in judged)) for name in ("raised", "unknown"))
    rows.append(["all with a truth, over all film", raised, unknown, str(count), f"{hours:.3f}", bound])
    head = [
        "kind",
        "raised",
        "truth unknown",
        "false",
        "hours in which it would be false",
        "false a desk-hour, at most",
    ]
    return table(head, rows)


def scene(quality: Quality) -> str:
    """Covered, frozen and low light."""
    rows = ([row.what, f"{row.said} of {row.true_s}", f"{row.said_wrongly} of {row.untrue_s}"] for row in quality.scene)
    return table(["", "said where it is so", "said where it is not"], rows)


def cost(quality: Quality) -> str:
    """The whole beside the bare models and the peers."""
    rows = []
    for each in quality.cost:
        runs = ", ".join(f"{count:.2f} x `{name}`" for name, count in each.runs.items() if count >= 0.005)
        ratio = f"{each.whole_ms / each.bare_ms:.2f}" if each.bare_ms else NONE
        rows.append([each.title, str(each.looks), ms(each.whole_ms), ms(each.bare_ms), ratio, runs])
    desk = table(["the desk", "looks", "whole vision, ms", "bare, ms", "whole / bare", "models run a look"], rows)
    mine = quality.faces[0]
    others = []
    for faces in quality.faces:
        if faces.attended_ms is not None:
            ratio = part(share(mine.attended_ms or 0.0, faces.attended_ms)) if mine.attended_ms else NONE
            others.append([faces.name, ms(faces.attended_ms), ms(faces.unattended_ms), ratio])
    return f"{desk}\n\n{table(['a picture of film', 'with a face, ms', 'without, ms', 'the desk / it'], others)}"


def steps(quality: Quality) -> str:
    """The variants of vision."""
    rows = []
    for step in quality.steps:
        figures = step.faces.figures
        rows.append(
            [
                step.name,
                part(figures["right"]),
                part(figures["presence_recall"]),
                part(figures["absence_recall"]),
                part(figures["several_recall"]),
                ms(step.attended_ms),
            ]
        )
    head = ["vision", "0 / 1 / 2+ right", "presence recall", "absence recall", "2+ recall", "CPU ms with a face"]
    return table(head, rows) if rows else "Only the whole was measured."


def choices(quality: Quality) -> str:
    """Leave-one-out."""
    rows = (
        [
            each.name,
            each.used,
            ", ".join(f"{value} ({count} times)" for value, count in each.chosen.items()),
            part(share(each.right, each.of)),
            part(share(each.best, each.of)),
        ]
        for each in quality.choices
    )
    head = ["parameter", "the desk uses", "chosen", "0 / 1 / 2+ right on what was left out", "best value on everything"]
    return table(head, rows) if quality.choices else "No parameter was chosen so."


def overall(faces: Iterable[Faces]) -> str:
    """One line a detector, for the terminal."""
    return "\n".join(
        f"{each.name:<24} 0/1/2+ right {part(tally.figures['right'])}  presence recall "
        f"{part(tally.figures['presence_recall'])}  absence recall {part(tally.figures['absence_recall'])}  "
        f"CPU ms with a face {ms(each.attended_ms)}"
        for each in faces
        if (tally := total((each.films, each.pictures))).seconds
    )
