"""The schema of the desk's database and its longer statements; `agent.records` alone runs them."""

SCHEMA_VERSION = 1
TABLES = ("records", "stills", "segments", "plan", "desk")
SCHEMA = """
-- Every record of this desk, for ever: the chain. A row without receipted_utc_ms is in the spool.
CREATE TABLE records (
    boot INTEGER NOT NULL CHECK (boot >= 1),
    seq INTEGER NOT NULL CHECK (seq >= 1),
    kind TEXT NOT NULL,
    header TEXT NOT NULL,              -- the exact text that hash and signature cover
    body TEXT NOT NULL,                -- the exact text whose SHA-256 the header carries
    signature TEXT NOT NULL CHECK (length(signature) = 128),
    hash TEXT NOT NULL UNIQUE CHECK (length(hash) = 64),
    is_durable INTEGER NOT NULL CHECK (is_durable IN (0, 1)),
    receipted_utc_ms INTEGER,          -- when the hub's receipt came; NULL: still to be delivered
    PRIMARY KEY (boot, seq)
) STRICT;
CREATE INDEX records_spool ON records (boot, seq) WHERE receipted_utc_ms IS NULL;

-- The picture of the moment an alert was raised; the alert's body carries its hash.
CREATE TABLE stills (
    boot INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    sha256 TEXT NOT NULL CHECK (length(sha256) = 64),
    utc_ms INTEGER NOT NULL,
    up_ms INTEGER NOT NULL,
    jpeg BLOB NOT NULL,
    receipted_utc_ms INTEGER,
    PRIMARY KEY (boot, seq),
    FOREIGN KEY (boot, seq) REFERENCES records (boot, seq)
) STRICT;
CREATE INDEX stills_spool ON stills (boot, seq) WHERE receipted_utc_ms IS NULL;
CREATE INDEX stills_sha256 ON stills (sha256);

-- The finished files of the recording, one row for each segment_closed record.
CREATE TABLE segments (
    name TEXT PRIMARY KEY,
    boot INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    sitting TEXT NOT NULL,
    began_utc_ms INTEGER NOT NULL,
    began_up_ms INTEGER NOT NULL,
    ended_utc_ms INTEGER NOT NULL,
    ended_up_ms INTEGER NOT NULL,
    frames INTEGER NOT NULL CHECK (frames >= 0),
    size_bytes INTEGER NOT NULL CHECK (size_bytes >= 0),
    sha256 TEXT NOT NULL CHECK (length(sha256) = 64),
    is_cut INTEGER NOT NULL CHECK (is_cut IN (0, 1)),
    state TEXT NOT NULL DEFAULT 'kept' CHECK (state IN ('kept', 'uploaded', 'freed')),
    FOREIGN KEY (boot, seq) REFERENCES records (boot, seq)
) STRICT;
CREATE INDEX segments_sitting ON segments (sitting, began_utc_ms);

-- The newest plan, as the hub wrote it. One row at most.
CREATE TABLE plan (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    number INTEGER NOT NULL,
    body TEXT NOT NULL
) STRICT;

-- What a start has to know. One row.
CREATE TABLE desk (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    unit TEXT NOT NULL,
    clean_boot INTEGER NOT NULL DEFAULT 0,  -- the last start that was also stopped in order
    sitting TEXT NOT NULL DEFAULT ''        -- the sitting being recorded, '' for none
) STRICT;
"""
ADD_RECORD = """
INSERT INTO records (boot, seq, kind, header, body, signature, hash, is_durable) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (boot, seq) DO UPDATE SET header = excluded.header, body = excluded.body, hash = excluded.hash,
    kind = excluded.kind, signature = excluded.signature, is_durable = excluded.is_durable
"""
# The upsert: a commit whose last sync failed may be back after the journal was read again. What was sent stands.
ADD_STILL = "INSERT OR REPLACE INTO stills (boot, seq, sha256, utc_ms, up_ms, jpeg) VALUES (?, ?, ?, ?, ?, ?)"
ADD_SEGMENT = """
INSERT OR REPLACE INTO segments (name, boot, seq, sitting, began_utc_ms, began_up_ms, ended_utc_ms, ended_up_ms, frames,
    size_bytes, sha256, is_cut) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
PENDING = """
SELECT boot, seq, 0 AS is_still FROM records
WHERE receipted_utc_ms IS NULL AND (boot, seq) >= (?, ?) AND (boot, seq) < (?, ?)
UNION ALL
SELECT boot, seq, 1 FROM stills WHERE receipted_utc_ms IS NULL AND (boot, seq) >= (?, ?) AND (boot, seq) < (?, ?)
ORDER BY boot, seq, is_still LIMIT ?
"""
SEGMENTS = """
SELECT boot, seq, state, sitting, name, began_utc_ms, began_up_ms, ended_utc_ms, ended_up_ms, frames, size_bytes,
    sha256, is_cut
FROM segments WHERE sitting = coalesce(?, sitting) AND state = coalesce(?, state) ORDER BY boot, seq
"""

CHAIN = "SELECT boot, seq, header, body, signature, hash FROM records ORDER BY boot, seq"
CHAIN_BEGUN = """
SELECT max(boot) FROM records WHERE kind = 'restart' AND json_extract(body, '$.is_chain_new') = 1
"""
RESTORE_RECORD = """
INSERT INTO records (boot, seq, kind, header, body, signature, hash, is_durable, receipted_utc_ms)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING
"""
MARK_DELIVERED = """
UPDATE records SET receipted_utc_ms = ? WHERE boot = ? AND seq = ? AND hash = ? AND receipted_utc_ms IS NULL
"""
RESTORE_SEGMENT = """
INSERT INTO segments (name, boot, seq, sitting, began_utc_ms, began_up_ms, ended_utc_ms, ended_up_ms, frames,
    size_bytes, sha256, is_cut, state) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING
"""
MARK_UPLOADED = "UPDATE segments SET state = 'uploaded' WHERE name = ? AND sha256 = ? AND state = 'kept'"
