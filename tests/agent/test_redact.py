"""The redactor: no secret comes through, in whatever writing it stands, and what is no secret stays."""

from __future__ import annotations

import string

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import assume, given
from hypothesis import strategies as st

from agent.core.redact import CUT, is_secret_name, redact, redacted_settings, writings_of

PRINTABLE = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=8, max_size=64)
SIMPLE = st.text(string.ascii_letters + string.digits + "+/_.-", min_size=8, max_size=64)
AROUND = st.text(st.characters(exclude_categories=["Cs"]), max_size=80)


@given(secret=st.binary(min_size=16, max_size=64), before=AROUND, after=AROUND)
def test_a_known_secret_is_cut_in_every_writing(secret: bytes, before: str, after: str) -> None:
    """Hexadecimal in both cases, base64 in both alphabets: whatever text it stands in."""
    known = writings_of(secret)
    for writing in known:
        assert writing not in redact(before + writing + after, known)
    assert {secret.hex(), secret.hex().upper()} <= known


@given(secret=PRINTABLE, before=AROUND, after=AROUND)
def test_a_known_text_is_cut(secret: str, before: str, after: str) -> None:
    """A password is cut by its value, wherever it stands, even where nothing names it."""
    assume(secret not in CUT)
    assert secret.strip() not in redact(f"{before} {secret} {after}", writings_of(secret.encode()))


@given(
    name=st.sampled_from(["SECRET_KEY", "password", "EMS_TOKEN", "claim_code", "db-passwd", "apiKey", "private_key"]),
    sign=st.sampled_from(["=", ": ", " = ", '": "']),
    secret=SIMPLE,
    before=AROUND,
)
def test_a_named_secret_is_cut(name: str, sign: str, secret: str, before: str) -> None:
    """`name=value` with a telling name, as environment, TOML, JSON or log."""
    assume(secret not in f"{before}{name}{CUT}")
    assert secret not in redact(f"{before}\n{name}{sign}{secret}\n")


@given(text=st.text(max_size=300), known=st.frozensets(SIMPLE, max_size=3))
def test_redacting_twice_changes_nothing_more(text: str, known: frozenset[str]) -> None:
    """What is cut stays cut, and no cut makes a new thing to cut that would lose text each time."""
    once = redact(text, known - {CUT})
    assert redact(once, known - {CUT}).count(CUT) >= once.count(CUT)


@pytest.mark.parametrize("is_whole", [True, False])
def test_a_private_key_is_cut_and_a_certificate_stays(is_whole: bool) -> None:
    """Also one that is cut off in the middle by a log's limit."""
    pem = (
        ec.generate_private_key(ec.SECP256R1())
        .private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        .decode()
    )
    shown = pem if is_whole else pem[:120]
    public = "-----BEGIN CERTIFICATE-----\nMIIBszCCAVmgAwIBAgIUQ\n-----END CERTIFICATE-----\n"
    text = redact(f"before\n{public}{shown}")
    assert all(line not in text for line in shown.splitlines()[1:] if not line.startswith("-----"))
    assert public in text
    assert text.startswith("before\n")


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("Authorization: Bearer abcdef123456", "abcdef123456"),
        ('{"authorization": "Basic dXNlcjpwYXNz"}', "dXNlcjpwYXNz"),
        ("curl -H 'X: y' Bearer abcdef123456", "abcdef123456"),
        ("mqtts://desk:hunter2hunter@hub:8883/x", "hunter2hunter"),
        ("DATABASE_URL=postgres://me:p4ssw0rd@host/db", "p4ssw0rd"),
        ('password="with spaces in it" next', "spaces"),
        ("the claim code is ABCD-1234", "ABCD-1234"),
        ("key " + "ab" * 64 + ".", "ab" * 64),
        ("Set-Cookie: session=abc; Path=/", "abc"),
    ],
)
def test_what_looks_like_a_secret_is_cut(text: str, secret: str) -> None:
    """By its form, unknown as it is."""
    assert secret not in redact(text)


@pytest.mark.parametrize(
    "text",
    [
        "sha256 " + "cd" * 32,
        "public_key=" + "ef" * 32,
        "connected to hub.local:8883",
        "https://hub.local:8443/door/v1/state",
        "the password was refused",
        "fault storage_low raised: 412 MB free",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    """Hashes, public keys and plain words are what the helper needs."""
    assert redact(text) == text


def test_settings_with_telling_names_are_cut() -> None:
    """By name, whatever they hold; the empty ones show that they are empty."""
    shown = redacted_settings({"SECRET_KEY": "x", "EMS_UNIT": "hall.desk-01", "EMS_TOKEN": ""})
    assert shown == {"SECRET_KEY": CUT, "EMS_UNIT": "hall.desk-01", "EMS_TOKEN": ""}
    assert not is_secret_name("EMS_CA_FINGERPRINT")
