"""Who is asking: log-in, log-out, and the check of role and action in front of every page.

A log-in holds while the account is active and its `epoch` is the one of the log-in, for at most a working day, and
until its own log-out. Ended log-ins are kept in the store, so that a copied cookie stays worthless after a restart.
"""

from __future__ import annotations

import functools
import logging
import secrets
from collections.abc import Callable
from typing import Any, TypeVar, cast
from urllib.parse import urlsplit

from flask import Blueprint, Flask, abort, flash, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address
from flask_login import LoginManager, UserMixin, current_user, login_user, logout_user
from limits import parse

from hub import passwords
from hub.core import access
from hub.core.access import Action
from hub.core.audit import Deed
from hub.core.visible import visible
from hub.store import audit, people
from hub.store.audit import Actor, CannotNote
from hub.web import deeds
from hub.web.clock import now_utc_ms
from hub.web.language import gettext as _
from hub.web.parts import parts
from hub.web.security import wants_json
from hub.web.tail import Standing

log = logging.getLogger(__name__)

LIFE_MS = 12 * 3600 * 1000
PER_ADDRESS = "30 per minute; 300 per hour"
PER_ACCOUNT = "30 per minute"
PER_ACCOUNT_AND_ADDRESS = "5 per minute; 60 per hour"
"""Failed log-ins only. Against 12 characters these are nothing, and who hammers an account from one computer shuts out
only that computer, not the account's owner."""
NOTED_REFUSALS = parse("600 per hour")
"""Of all computers together; at some 500 bytes an entry not 8 MB a day."""
THEMES = ("auto", "light", "dark")

View = TypeVar("View", bound=Callable[..., ResponseReturnValue])
blueprint = Blueprint("login", __name__)
limiter = Limiter(get_remote_address, storage_uri="memory://", default_limits=[])


class User(UserMixin):  # type: ignore[misc]
    """The person behind this request."""

    def __init__(self, user_id: int, name: str, role: str, epoch: int) -> None:
        self.user_id = user_id
        self.name = name
        self.role = role
        self.epoch = epoch

    def get_id(self) -> str:
        return f"{self.user_id}:{self.epoch}"

    def may(self, action: str) -> bool:
        return access.may(self.role, Action(action))


def may(action: Action) -> Callable[[View], View]:
    """Let a view be seen by roles that may do `action` only. Every view but the few public ones carries this."""

    def guard(view: View) -> View:
        @functools.wraps(view)
        def guarded(**arguments: Any) -> ResponseReturnValue:
            if not current_user.is_authenticated:
                return _unauthorized()
            if not access.may(current_user.role, action):
                log.warning("refused: %r asked for %s %s", current_user.name, request.method, request.path)
                abort(403)
            return view(**arguments)

        guarded.action = action  # type: ignore[attr-defined]
        return cast(View, guarded)

    return guard


def install(app: Flask) -> None:
    manager = LoginManager(app)
    manager.session_protection = None  # binds a log-in to the address, which a proxy or a moved laptop breaks
    manager.user_loader(_load)
    manager.unauthorized_handler(_unauthorized)
    limiter.init_app(app)
    app.register_blueprint(blueprint)


def still_holds() -> Callable[[], bool]:
    """A check of this request's log-in that may be asked later, outside the request, and touches no database."""
    tail, user_id, epoch = parts().tail, current_user.user_id, current_user.epoch
    role, login, since = current_user.role, session.get("login", ""), session.get("since", 0)

    def holds() -> bool:
        is_known = tail.people.get(user_id) == Standing(epoch, True, role)
        return is_known and login not in tail.ended_log_ins and now_utc_ms() - since < LIFE_MS

    return holds


def _load(identity: str) -> User | None:
    user_id, _, epoch = identity.partition(":")
    login, since = session.get("login", ""), session.get("since", 0)
    if not login or not 0 <= now_utc_ms() - since < LIFE_MS or people.has_ended(parts().store, login):
        return None
    person = people.by_id(parts().store, int(user_id)) if user_id.isdecimal() else None
    if person is None or not person.is_active or str(person.epoch) != epoch:
        return None
    return User(person.user_id, person.name, person.role, person.epoch)


def _unauthorized() -> ResponseReturnValue:
    if wants_json() or request.method != "GET":
        abort(401)
    return redirect(url_for("login.log_in", next=request.full_path.rstrip("?")))


def _safe_target(target: str) -> str:
    """Where to go after log-in: a path of ours, else the live page."""
    found = urlsplit(target)
    is_ours = not found.scheme and not found.netloc and target.startswith("/") and target[1:2] not in ("/", "\\")
    return target if is_ours and target.isprintable() else url_for("live.page")


def _account() -> str:
    return request.form.get("name", "").strip().casefold()[:100]


def _account_and_address() -> str:
    return f"{_account()} {get_remote_address()}"


def _is_failure(response: Any) -> bool:
    return bool(response.status_code == 401)


@blueprint.route("/login", methods=["GET", "POST"])
@limiter.limit(PER_ADDRESS, methods=["POST"], deduct_when=_is_failure)
@limiter.limit(PER_ACCOUNT_AND_ADDRESS, methods=["POST"], key_func=_account_and_address, deduct_when=_is_failure)
@limiter.limit(PER_ACCOUNT, methods=["POST"], key_func=_account, deduct_when=_is_failure)
def log_in() -> ResponseReturnValue:
    target = _safe_target(request.values.get("next", "/"))
    if request.method == "GET":
        if current_user.is_authenticated:
            return redirect(target)
        return render_template("login.html", target=target, name="", is_wrong=False)
    name = request.form.get("name", "").strip()
    password = request.form.get("password", "")
    person = people.by_name(parts().store, name)
    if not passwords.is_right(person.password_hash if person else None, password) or not (person and person.is_active):
        log.warning("failed log-in for %r from %s", name[:100], request.remote_addr)
        _note_refused(name, person is not None)
        return render_template("login.html", target=target, name=name, is_wrong=True), 401
    if passwords.needs_rehash(person.password_hash):
        people.keep_rehash(parts().store, person.user_id, passwords.hash_password(password))
    session.clear()
    session["login"] = secrets.token_urlsafe(18)
    session["since"] = now_utc_ms()
    session.permanent = True
    login_user(User(person.user_id, person.name, person.role, person.epoch))
    log.info("%r logged in from %s", person.name, request.remote_addr)
    _note(Actor(person.name, person.role, deeds.address()), Deed.LOGGED_IN, person.name)
    return redirect(target, 303)


def _note_refused(name: str, is_known: bool) -> None:
    """Note a refused log-in, as many as NOTED_REFUSALS allows: the log is never shortened, so a guesser must not be
    able to fill the disk with it."""
    if limiter.limiter.hit(NOTED_REFUSALS, "refusals"):
        left = limiter.limiter.get_window_stats(NOTED_REFUSALS, "refusals").remaining
        more = {} if left else {"note": "further refusals of this hour stand in the system's log only"}
        nobody = Actor(deeds.NOBODY.who, deeds.NOBODY.role, deeds.address())
        _note(nobody, Deed.LOG_IN_REFUSED, visible(name)[:100], is_account=is_known, **more)


def _note(who: Actor, deed: Deed, name: str, **detail: Any) -> None:
    """Note a log-in; where the log takes no entry, the system's log has it. A log-in shows no evidence by itself, what
    does is then refused, and without one nobody could see what the matter is."""
    try:
        audit.note(parts().store, who, deed, f"user {name}", now_utc_ms(), detail)
    except CannotNote as problem:
        log.error("%s %r from %s is not in the audit log: %s", deed, name, who.address, problem)


@blueprint.post("/logout")
def log_out() -> ResponseReturnValue:
    if "login" in session:
        by = deeds.actor() if current_user.is_authenticated else None
        people.end_log_in(parts().store, session["login"], now_utc_ms(), LIFE_MS, by)
    logout_user()
    session.clear()
    flash(_("You are logged out."))
    return redirect(url_for("login.log_in"), 303)
