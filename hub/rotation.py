"""Another issuing authority, another root: what needs the root's key, and how desks come along without a visit.

A new root is first only added: desks get both roots with their next certificate, and the server shows a bridge, the new
root signed by the old one, so that a desk which knows only one of both believes it. Once every desk has renewed, the
old root is retired. Each step asks what is there first, so a command that was cut off is completed by the same command.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from cryptography import x509

from hub import authority, ca_files, enrolment
from hub.authority import HubNames, Signer
from hub.enrolment import AuthorityProblem, CaFolder, Pair

Revoked = Callable[[], Iterable[tuple[str, str, int]]]
"""Answers what `enrolment.put_revoked` takes. Asked while the folder is locked: what is revoked while somebody else has
it must not be left out of the list that is written next."""
Standing = Callable[[], Iterable[tuple[str, str, bool]]]
"""Answers (unit, fingerprint of the issuing authority, whether it still holds) of every certificate of units that are
not revoked, also of those that have ended; the fingerprint is '' for a unit that has none."""


def rotate(folder: CaFolder, root_folder: Path, names: HubNames, revoked: Revoked, now_utc_ms: int) -> list[str]:
    """A new issuing authority and new certificates of the hub; what the old one signed still holds. Answers what was
    made, in words. Raises AuthorityProblem."""
    with folder.alone():
        root = _root(folder, root_folder)
        if folder.issuing.certificate.exists():
            if not authority.is_issued_by(_issuing_certificate(folder), root.certificate):
                raise AuthorityProblem(
                    f"{root_folder / 'root.crt'} is not the root of the present issuing authority: name the folder of "
                    "that one, or complete the change to a new root with `ems-hub ca new-root --root DIR`"
                )
        made = _new_issuing(folder, root, list(revoked()), now_utc_ms)
        return made + enrolment.renew(folder, names, now_utc_ms)


def new_root(folder: CaFolder, root_folder: Path, names: HubNames, revoked: Revoked, now_utc_ms: int) -> list[str]:
    """A new root beside the old one, whose key must be in `root_folder`, where the new one's comes to lie too; then as
    `rotate`, under the new root. Answers what was made, in words. Raises AuthorityProblem."""
    made = []
    with folder.alone():
        root = _root(folder, root_folder)
        if authority.is_issued_by(_issuing_certificate(folder), root.certificate):
            if enrolment.bridge_of(folder, _issuing_certificate(folder)):
                return _complete(folder, root, names, now_utc_ms)
            root = _make_root(folder, Pair(root_folder, "root"), root, now_utc_ms)
            made.append(f"root {root_folder / 'root.crt'}")
        made += _new_issuing(folder, root, list(revoked()), now_utc_ms)
        _trust(folder, root.certificate, *enrolment.roots(folder))
        return made + enrolment.renew(folder, names, now_utc_ms)


def _complete(folder: CaFolder, root: Signer, names: HubNames, now_utc_ms: int) -> list[str]:
    """What is left of a change to `root` that was cut off after its issuing authority was made."""
    is_first = enrolment.roots(folder)[0] == root.certificate
    _trust(folder, root.certificate, *enrolment.roots(folder))
    made = enrolment.renew(folder, names, now_utc_ms)
    if is_first and not made:
        raise AuthorityProblem("two roots are trusted already: retire the older one first, `ems-hub ca retire-root`")
    return made or ["the change to the new root completed"]


def retire_root(
    folder: CaFolder, standing: Standing, names: HubNames, now_utc_ms: int, *, is_forced: bool = False
) -> list[str]:
    """Trust the newest root alone. Unless forced, refused while a unit has no certificate under it, so that it may not
    know it, or has one under the old root that still holds. Raises AuthorityProblem."""
    with folder.alone():
        present = _issuing_certificate(folder)
        roots = enrolment.roots(folder)
        kept = next((each for each in roots if authority.is_issued_by(present, each)), None)
        if kept is None or (len(roots) > 1 and folder.bridge.exists() and not enrolment.bridge_of(folder, present)):
            raise AuthorityProblem(
                "the change to the new root is not complete: run `ems-hub ca new-root --root DIR` again"
            )
        if len(roots) == 1 and not folder.bridge.exists():
            raise AuthorityProblem(
                "only one root is trusted: make the next one first, `ems-hub ca new-root --root DIR`"
            )
        left = _who_needs_another(folder, kept, list(standing()))
        if left and not is_forced:
            raise AuthorityProblem(
                f"{len(left)} units still need the old root ({', '.join(left)}): each renews by itself, at the latest "
                "when it is switched on; revoke those that are gone for good, or lock all of these out with --force"
            )
        _trust(folder, kept)
        folder.bridge.unlink(missing_ok=True)
        ca_files.sync_folder(folder.bridge.parent)
        return ["the newest root is trusted alone", *enrolment.renew(folder, names, now_utc_ms)]


def _who_needs_another(folder: CaFolder, kept: x509.Certificate, standing: list[tuple[str, str, bool]]) -> list[str]:
    """The units that would not find back to the hub if it went by the root `kept` alone."""
    below = {
        authority.fingerprint(each.certificate)
        for each in enrolment.issuers(folder)
        if authority.is_issued_by(each.certificate, kept)
    }
    has_renewed = {unit for unit, issuer, _ in standing if issuer in below}
    return sorted(
        {unit for unit, issuer, holds in standing if unit not in has_renewed or (holds and issuer not in below)}
    )


def _root(folder: CaFolder, root_folder: Path) -> Signer:
    pair = Pair(root_folder, "root")
    enrolment.put_next(folder.issuing)
    if root_folder.is_dir():
        enrolment.put_next(pair)
    if not pair.key.exists():
        raise AuthorityProblem(
            f"there is no root.key in {root_folder}: name the folder where it is kept with --root DIR"
        )
    root = enrolment.read_signer(pair)
    if authority.fingerprint(root.certificate) not in map(authority.fingerprint, enrolment.roots(folder)):
        raise AuthorityProblem(
            f"{pair.certificate} is not a root of this centre: name the right folder with --root DIR"
        )
    return root


def _issuing_certificate(folder: CaFolder) -> x509.Certificate:
    return enrolment.read_certificates(folder.issuing.certificate)[0]


def _new_issuing(folder: CaFolder, root: Signer, revoked: list[tuple[str, str, int]], now_utc_ms: int) -> list[str]:
    """The list of revoked certificates comes first: a broker that has none for an authority refuses all it signed."""
    following = folder.issuing.next
    key = enrolment.kept_key(following.key)
    certificate = authority.issuing_certificate(root, key.public_key(), now_utc_ms)
    enrolment.put_revoked(folder, revoked, besides=[Signer(key, certificate)])
    ca_files.put_file(following.certificate, authority.pem(certificate))
    enrolment.put_next(folder.issuing)
    return [f"issuing authority {folder.issuing.certificate}"]


def _make_root(folder: CaFolder, pair: Pair, old: Signer, now_utc_ms: int) -> Signer:
    """Until the next pair's certificate lies there nothing was decided, and all of this is made anew."""
    key = enrolment.kept_key(pair.next.key)
    certificate = authority.root_certificate(key, now_utc_ms)
    ca_files.put_file(folder.bridge, authority.pem(authority.bridge_certificate(old, certificate)))
    _trust(folder, old.certificate, certificate)
    ca_files.put_file(pair.next.certificate, authority.pem(certificate))
    enrolment.put_next(pair)
    return Signer(key, certificate)


def _trust(folder: CaFolder, *roots: x509.Certificate) -> None:
    """Each once, in this order."""
    once = {authority.fingerprint(each): each for each in roots}
    ca_files.put_file(folder.authorities, authority.pem(*once.values()))
