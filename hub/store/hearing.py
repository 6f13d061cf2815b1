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
