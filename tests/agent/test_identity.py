"""The identity folder: what a desk is at its hub, whole again after a power cut at any step."""

from __future__ import annotations

import datetime
import os
import shutil
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from agent import identity, retiring
from agent.identity import HubPlace, IdentityFolder, IdentityProblem, has_hub
from agent.wire_door import Grant
from tests.door_values import PLAN

UNIT = "hall.desk-01"
PLACE = HubPlace(hub="hub.example", ca_fingerprint="ab" * 16)
BEGINS = datetime.datetime(2027, 1, 1, tzinfo=datetime.UTC)
DAY_MS = 86_400_000


class PowerCut(BaseException):
    """Nothing may catch it, as nothing catches a power cut."""


def certificate(csr: str, unit: str = UNIT, days: int = 90) -> str:
    """A certificate for this request by an authority of the moment: the folder looks at key and name only."""
    signer = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, unit)])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(x509.load_pem_x509_csr(csr.encode()).public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(BEGINS)
        .not_valid_after(BEGINS + datetime.timedelta(days=days))
        .sign(signer, hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.PEM).decode()


def root() -> str:
    """Any certificate that can be read."""
    return certificate(identity._make_csr(ec.generate_private_key(ec.SECP256R1())), "a root")


def grant(folder: IdentityFolder, unit: str = UNIT, days: int = 90) -> Grant:
    return Grant(
        unit=unit,
        certificate=certificate(folder.pending().csr, unit, days),
        authorities=root(),
        broker_port=8883,
        plan=PLAN,
    )


def enrolled(storage: Path) -> IdentityFolder:
    folder = IdentityFolder(storage)
    folder.put_hub(PLACE, root())
    assert folder.take(grant(folder), PLACE.hub) is not None
    return folder


def test_a_grant_makes_the_desk_a_unit(tmp_path: Path) -> None:
    """Name, broker, certificate, roots and plan are all there, and keys are for their owner alone."""
    storage = tmp_path / "desk"
    folder = IdentityFolder(storage)
    assert folder.identity() is None
    folder.put_hub(PLACE, root())
    given = grant(folder)
    became = folder.take(given, PLACE.hub)
    assert became is not None
    assert (became.unit, became.broker_host, became.broker_port) == (UNIT, "hub.example", 8883)
    assert became == IdentityFolder(storage).identity()
    assert folder.roots() == given.authorities
    assert folder.plan() is not None
    assert folder.hub() == PLACE
    assert folder.claim_code() == ""
    assert stat.S_IMODE(folder.path.stat().st_mode) == 0o700
    assert stat.S_IMODE(became.key.stat().st_mode) == 0o600
    assert not list(folder.path.glob("*.part"))


def test_a_third_of_the_life_is_when_it_is_renewed(tmp_path: Path) -> None:
    """Not before; and long after the end as well."""
    became = enrolled(tmp_path).identity()
    assert became is not None
    begins = round(BEGINS.timestamp() * 1000)
    assert not became.is_renewal_due(begins + 59 * DAY_MS)
    assert became.is_renewal_due(begins + 60 * DAY_MS)
    assert became.is_renewal_due(begins + 900 * DAY_MS)


def test_the_same_request_is_sent_until_it_is_answered(tmp_path: Path) -> None:
    """A restart keeps the claim code that somebody may be typing; a rejection begins another request."""
    folder = IdentityFolder(tmp_path)
    pending = folder.pending()
    folder.note_code("ACDE-3467")
    again = IdentityFolder(tmp_path)
    assert again.pending() == pending.__class__(csr=pending.csr, code="ACDE-3467")
    assert again.claim_code() == "ACDE-3467"
    assert again.begin_anew().csr != pending.csr
    assert again.claim_code() == ""


def test_a_grant_for_another_key_is_not_taken(tmp_path: Path) -> None:
    """The hub's newest answer may be that of an older request."""
    folder, other = IdentityFolder(tmp_path / "a"), IdentityFolder(tmp_path / "b")
    folder.pending()
    assert folder.take(grant(other), "hub.example") is None
    assert folder.identity() is None


def test_a_grant_for_another_unit_is_refused(tmp_path: Path) -> None:
    """A desk keeps its name: its records are chained under it."""
    folder = enrolled(tmp_path)
    with pytest.raises(IdentityProblem, match="ems-agent replace"):
        folder.take(grant(folder, "hall.desk-02"), "hub.example")
    became = folder.identity()
    assert became is not None
    assert became.unit == UNIT


CALLS = ("write_synced", "sync_folder")


def _cut_at(step: int, monkeypatch: pytest.MonkeyPatch, module: object = identity) -> list[int]:
    """From now on the power goes at the `step`-th change of the card; answers the count of changes."""
    count = [0]

    def counted(real: Callable[..., object]) -> Callable[..., object]:
        def change(*arguments: object, **named: object) -> object:
            count[0] += 1
            if count[0] == step:
                raise PowerCut
            return real(*arguments, **named)

        return change

    for name in CALLS:
        monkeypatch.setattr(module, name, counted(getattr(module, name)))
    for name in ("replace", "unlink", "rename", "mkdir"):
        monkeypatch.setattr(Path, name, counted(getattr(Path, name)))
    return count


@pytest.mark.parametrize("is_renewal", [False, True], ids=["enrolment", "renewal"])
def test_a_power_cut_at_any_step_of_a_grant(tmp_path: Path, is_renewal: bool) -> None:
    """Whatever is on the card, the next start has the unit it had, or the one that was granted, or asks again with the
    same key; and the same grant once more completes it."""
    step, is_done = 0, False
    while not is_done:
        step += 1
        storage = tmp_path / str(step)
        folder = enrolled(storage) if is_renewal else IdentityFolder(storage)
        if not is_renewal:
            folder.put_hub(PLACE, root())
        before = folder.identity()
        given = grant(folder, days=91)
        with pytest.MonkeyPatch.context() as patch:
            _cut_at(step, patch)
            try:
                folder.take(given, PLACE.hub)
                is_done = True
            except PowerCut:
                pass
        after = IdentityFolder(storage)
        found = after.identity()
        if found is None or found == before:
            assert found == before
            after.pending()
            found = after.take(given, PLACE.hub)
        assert found is not None, step
        assert found.ends_utc_ms > 0, step
        assert found.unit == UNIT
        assert after.roots() == given.authorities
        assert found.certificate.read_text() == given.certificate
        assert not (after.path / "granted.json").exists()
    assert step > 8


@pytest.mark.parametrize("damage", [b"", b"\x00" * 300, b"-----BEGIN CERTIFICATE-----\nMIIB"])
def test_a_damaged_file_never_stops_the_desk(tmp_path: Path, damage: bytes) -> None:
    """A unit stays a unit with a torn certificate, key or roots, and knows that it needs another certificate."""
    whole = enrolled(tmp_path / "whole").path
    for number, name in enumerate(sorted(os.listdir(whole))):
        storage = tmp_path / str(number)
        shutil.copytree(whole, storage / "identity")
        (storage / "identity" / name).write_bytes(damage)
        folder = IdentityFolder(storage)
        found = folder.identity()
        if name == "unit.json":
            assert found is None  # it asks, and the hub knows its record key
        else:
            assert found is not None, name
            assert found.is_renewal_due(round(BEGINS.timestamp() * 1000)) is (name in ("tls.key", "tls.crt"))
        assert folder.take(grant(folder), PLACE.hub) is not None


def test_a_hub_that_moved_is_found_again(tmp_path: Path) -> None:
    """The broker is where the hub is, unless the hub said otherwise."""
    folder = enrolled(tmp_path)
    folder.put_hub(HubPlace(hub="new.example", ca_fingerprint="ab" * 16))
    became = folder.identity()
    assert became is not None
    assert became.broker_host == "new.example"


def test_a_power_cut_at_any_step_of_beginning_anew(tmp_path: Path) -> None:
    """All of the old unit is in its folder, nothing is lost, and the new one knows its hub and whom it replaces."""
    step, is_done = 0, False
    while not is_done:
        step += 1
        storage = tmp_path / str(step)
        folder = enrolled(storage)
        for name in ("unit.key", "records.db", "records.db-wal"):
            (storage / name).write_text(name)
        (storage / "segments").mkdir()
        (storage / "segments" / "film.ts").write_text("film")
        old = {path.name: path.read_bytes() for path in folder.path.iterdir()}
        with pytest.MonkeyPatch.context() as patch:
            _cut_at(step, patch, retiring)
            try:
                retiring.retire(storage, UNIT, 7, folder.hub(), folder.roots(), UNIT)
                is_done = True
            except PowerCut:
                pass
        retiring.complete(storage)
        target = storage / "retired" / f"{UNIT}-7"
        if not target.exists():  # cut before it was decided
            retiring.retire(storage, UNIT, 7, folder.hub(), folder.roots(), UNIT)
        assert {path.name for path in target.iterdir()} >= {"identity", "segments", "records.db", "records.db-wal"}
        assert (target / "segments" / "film.ts").read_text() == "film"
        assert {path.name: path.read_bytes() for path in (target / "identity").iterdir()} == old
        new = IdentityFolder(storage)
        assert new.identity() is None
        kept = new.hub()
        assert kept is not None
        assert (kept.hub, kept.replaces) == (PLACE.hub, UNIT)
        assert new.roots()
        assert sorted(path.name for path in storage.iterdir()) == ["identity", "retired"]
    assert step > 6


def test_what_is_not_the_units_stays_where_it_is(tmp_path: Path) -> None:
    """The file system's own folder is not moved; one of somebody else is named before anything is begun."""
    folder = enrolled(tmp_path)
    (tmp_path / "lost+found").mkdir(mode=0o700)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "access", lambda path, _mode: Path(path).name != "identity")
        with pytest.raises(IdentityProblem, match=r"identity in .* cannot be moved"):
            retiring.retire(tmp_path, UNIT, 7, folder.hub(), folder.roots(), UNIT)
    assert not (tmp_path / "retiring.json").exists()
    target = retiring.retire(tmp_path, UNIT, 7, folder.hub(), "", UNIT)
    assert (tmp_path / "lost+found").exists()
    assert not (target / "lost+found").exists()
    kept = IdentityFolder(tmp_path).hub()
    assert kept is not None  # although its authority was lost: the fingerprint brings it back
    assert kept.replaces == UNIT


def test_a_folder_that_may_not_be_looked_into_is_no_desk_without_a_hub(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A desk whose identity root has locked away must not go on in the clear."""
    assert has_hub(tmp_path) is False

    def refuse(_path: Path) -> bool:
        raise PermissionError

    monkeypatch.setattr(Path, "exists", refuse)
    assert has_hub(tmp_path) is True
