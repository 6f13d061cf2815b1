"""The broker's configuration and access rules, as text: what mosquitto must refuse stands here, and nowhere else.

Written for mosquitto 2.0 (Debian 12 has 2.0.11, Debian 13 has 2.0.21). By its documentation 2.1 still takes every
option, and advises against `acl_file`, which version 3 is to lose.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from msgspec import Struct

from agent.wire import MAX_MESSAGE_BYTES, UP, UP_FILTER
from hub.enrolment import INGEST_NAME, CaFolder

PORT = 8883
"""MQTT over TLS, as registered."""
USER = "mosquitto"
"""The account that Debian's package makes; mosquitto, started as root, becomes it before it opens any other file."""
STATE = Path("/var/lib/mosquitto")
CONTROL_TOPIC = "$CONTROL/dynamic-security/v1"
"""Where the plugin takes commands: ingest ends the session of a revoked unit there, and may do nothing else."""
MAX_PACKET_BYTES = MAX_MESSAGE_BYTES + 1024
"""A message with its topic and properties. It is the only limit on size: mosquitto 2.0 answers what is over its
`message_size_limit` with a code that MQTT does not have there, and clients hang up."""
MAX_QUEUED = 10_000
"""Messages at QoS 1 that wait for one client. Only ingest keeps a session: two minutes of 500 desks in trouble. What
does not fit is dropped, and the desks send it again for want of a receipt."""
MAX_QUEUED_BYTES = 64 * 1024 * 1024
MAX_IN_FLIGHT = 100
MAX_KEEPALIVE_S = 60
MAX_CONNECTIONS = 2_000
AUTOSAVE_S = 300


class Place(Struct, frozen=True, kw_only=True):
    """Where the broker listens, runs and finds its files."""

    folder: Path
    """Holds what `files` names, absolute."""
    ca: CaFolder
    port: int = PORT
    host: str = ""
    """The address to listen at; empty: all of this machine's."""
    user: str = USER
    state: Path = STATE
    """The broker's own folder, which it may write."""
    plugin: Path | None = None
    """The dynamic-security plugin, None where it is not installed."""
    credentials: Path | None = None
    """A folder with server.crt and server.key, when who starts the broker hands them over; None: the authority's."""
    max_connections: int = MAX_CONNECTIONS
    max_queued: int = MAX_QUEUED

    @property
    def configuration_file(self) -> Path:
        return self.folder / "mosquitto.conf"

    @property
    def access_file(self) -> Path:
        return self.folder / "access.acl"

    @property
    def control_file(self) -> Path:
        """The plugin's own file: it writes it anew at each command."""
        return self.state / "dynamic-security.json"

    @property
    def persistence_file(self) -> Path:
        return self.state / "mosquitto.db"


def plugin_path(root: Path = Path("/")) -> Path | None:
    """The dynamic-security plugin that came with mosquitto, None when there is none."""
    names = ("usr/lib/*/mosquitto_dynamic_security.so", "usr/lib/mosquitto_dynamic_security.so")
    local = ("usr/local/lib/mosquitto_dynamic_security.so", "usr/local/lib/*/mosquitto_dynamic_security.so")
    return next((path for name in (*names, *local) for path in sorted(root.glob(name))), None)


def configuration(place: Place) -> str:
    """The text of mosquitto.conf. The order matters: what follows `listener` is the listener's."""
    ca = place.ca
    server_certificate, server_key = ca.server_certificate, ca.server_key
    if place.credentials is not None:
        server_certificate, server_key = place.credentials / "server.crt", place.credentials / "server.key"
    lines = f"""\
# Made by `ems-hub broker config`; what is changed here by hand is lost when it is made again.
user {place.user}
per_listener_settings false

# Who may do what. Every client has a certificate of the centre and is called what the certificate calls it.
allow_anonymous false
acl_file {place.access_file}
{_plugin_lines(place)}

listener {place.port} {place.host}
cafile {ca.authorities}
certfile {server_certificate}
keyfile {server_key}
crlfile {ca.revoked}
require_certificate true
use_identity_as_username true
use_username_as_clientid true
tls_version tlsv1.3
max_qos 1
max_connections {place.max_connections}

# Small messages must not wait for company: with Nagle's algorithm a connect takes 48 ms instead of 4.
set_tcp_nodelay true

# Limits of each client. What is dropped or refused here is sent again by the desk until the hub receipts it.
max_inflight_messages {MAX_IN_FLIGHT}
max_queued_messages {place.max_queued}
max_queued_bytes {MAX_QUEUED_BYTES}
queue_qos0_messages false
max_packet_size {MAX_PACKET_BYTES}
max_keepalive {MAX_KEEPALIVE_S}
persistent_client_expiration 1d
# No memory_limit: at the limit mosquitto hangs up on whoever it serves just then, ingest too. What a desk can have it
# keep is bounded by the access rules: one message for each kind.

# Nothing depends on what the broker remembers. It only gives desks their plans when the hub's ingest is down after a
# restart. A damaged file is moved aside by `ems-hub broker prepare`.
persistence true
persistence_location {place.state}/
autosave_interval {AUTOSAVE_S}

# Names of units and their addresses; never a message, a key or a password.
log_dest stderr
log_type error
log_type warning
log_type notice
log_timestamp_format %Y-%m-%dT%H:%M:%S
connection_messages true
"""
    return "\n".join(line.rstrip() for line in lines.splitlines()) + "\n"


def _plugin_lines(place: Place) -> str:
    if place.plugin is None:
        return (
            "# The dynamic-security plugin is not installed here: without it a revoked unit keeps the session it has.\n"
            "# Install a mosquitto that has mosquitto_dynamic_security.so and make this file again."
        )
    return (
        "# Only to end the session of a revoked unit: it knows no client and no role, so it decides nothing.\n"
        f"plugin {place.plugin}\n"
        f"plugin_opt_config_file {place.control_file}"
    )


def access_rules() -> str:
    """The text of the access rules. Whatever is not named is refused.

    A unit writes the kinds that there are and no others: mosquitto keeps one retained message a topic for ever, revoked
    or not, and so a unit can have it keep len(UP) of MAX_PACKET_BYTES and no more. That is the bound on what they fill.
    """
    own_up = UP_FILTER.replace("+", "%u", 1)
    kinds = "\n".join(f"pattern write {own_up.replace('+', kind)}" for kind in sorted(UP))
    return f"""\
# Made by `ems-hub broker config`. A desk unit writes its own up/ and reads its own down/; ingest the other way round.
user {INGEST_NAME}
topic read {UP_FILTER}
topic write {UP_FILTER.replace("/up/", "/down/")}
topic write {CONTROL_TOPIC}

# For every client, by the name in its certificate.
{kinds}
pattern read {own_up.replace("/up/", "/down/")}
"""


def empty_control() -> str:
    """What the plugin starts with: nobody, nothing, and no access by default."""
    kinds = ("publishClientSend", "publishClientReceive", "subscribe", "unsubscribe")
    nothing = [{"acltype": kind, "allow": False} for kind in kinds]
    return json.dumps({"defaultACLAccess": nothing, "clients": [], "groups": [], "roles": []}, indent=1) + "\n"


def end_sessions(units: Iterable[str]) -> bytes:
    """The commands that end the sessions of these units, to be published on CONTROL_TOPIC.

    The plugin ends the sessions of a client that it deletes, and it can delete only what it knows: so it is told of the
    client first. Between the two the client has no role and no password there, and afterwards nothing is left.
    """
    commands = [{"command": name, "username": unit} for unit in units for name in ("createClient", "deleteClient")]
    return json.dumps({"commands": commands}).encode()
