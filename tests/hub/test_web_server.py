"""`serve` says in one line what keeps it from starting."""

from __future__ import annotations

import datetime
import ipaddress
import socket
import ssl
import urllib.request
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from hub.enrolment import CaFolder
from hub.web.server import serve
from tests.hub.website import served, settings


def test_a_taken_port_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        assert serve(settings(tmp_path, web_port=port)) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert str(port) in said
    assert "EMS_WEB_PORT" in said


def test_a_missing_key_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert serve(settings(tmp_path, secret_key="")) == 1
    assert "SECRET_KEY" in capsys.readouterr().err


def test_a_store_that_cannot_be_opened_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("not a folder")
    assert serve(settings(tmp_path, database_url=f"sqlite:///{tmp_path}/file/hub.db")) == 1
    assert "cannot open the store" in capsys.readouterr().err


def put_certificate(folder: CaFolder) -> bytes:
    """A certificate for 127.0.0.1 where the hub's own lies; its DER."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "hub")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC))
        .not_valid_after(datetime.datetime(2120, 1, 1, tzinfo=datetime.UTC))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
        .sign(key, SHA256())
    )
    folder.server_key.parent.mkdir(parents=True, exist_ok=True)
    folder.server_key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    folder.server_certificate.write_bytes(made.public_bytes(Encoding.PEM))
    return made.public_bytes(Encoding.DER)


def presented(port: int, version: ssl.TLSVersion) -> bytes | None:
    """The certificate that the server shows."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.minimum_version = context.maximum_version = version
    with socket.create_connection(("127.0.0.1", port), 10) as line, context.wrap_socket(line) as spoken:
        return spoken.getpeercert(binary_form=True)


def test_pages_over_tls_take_up_a_new_key_without_a_restart(tmp_path: Path) -> None:
    """TLS 1.3 only; a certificate that is replaced while the server runs is what the next browser sees."""
    folder = CaFolder(tmp_path / "ca")
    first = put_certificate(folder)
    with served(tmp_path, EMS_WEB_TLS="true", EMS_CA_PATH=str(folder.path)) as (address, _):
        port = int(address.rpartition(":")[2])
        assert presented(port, ssl.TLSVersion.TLSv1_3) == first
        with pytest.raises(ssl.SSLError):
            presented(port, ssl.TLSVersion.TLSv1_2)
        trusting = ssl.create_default_context(cafile=str(folder.server_certificate))
        with urllib.request.urlopen(f"{address}/login", context=trusting, timeout=10) as answer:
            assert b"csrf_token" in answer.read()
        second = put_certificate(folder)
        assert presented(port, ssl.TLSVersion.TLSv1_3) == second != first


def test_a_missing_certificate_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert serve(settings(tmp_path, web_tls=True, ca_path=str(tmp_path / "ca"))) == 1
    assert "EMS_WEB_TLS" in capsys.readouterr().err
