"""When the hub heard nobody: noted when it hears again, so that no desk's absence is counted for it."""

from __future__ import annotations

from hub.store import QUERIES, Row, Store


def note_resumed(store: Store, beat_utc_ms: int | None, now_utc_ms: int) -> None:
    """Ingest begins to listen. It was deaf since it last told of itself (`beat_utc_ms`, None: not known since the
    machine started), or since the newest word of any desk."""
    with store.write() as connection:
        newest: Row = QUERIES.day_newest_word(connection)
        since = max(beat_utc_ms or 0, newest["newest"] or 0)
        if 0 < since < now_utc_ms:
            QUERIES.insert_deaf_time(connection, since=since, until=now_utc_ms)


def note(store: Store, from_utc_ms: int, until_utc_ms: int) -> None:
    """Between these the hub could hear nobody, or not everybody yet: the broker was away. None of it if the clock was
    set back meanwhile."""
    if from_utc_ms < until_utc_ms:
        with store.write() as connection:
            QUERIES.insert_deaf_time(connection, since=from_utc_ms, until=until_utc_ms)
