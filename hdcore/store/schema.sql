CREATE TABLE sweep (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    sweep_id TEXT NOT NULL,
    spec TEXT NOT NULL,
    status TEXT NOT NULL,
    reason TEXT,
    created REAL NOT NULL,
    started REAL,
    ended REAL
);
CREATE TABLE run (
    number INTEGER PRIMARY KEY CHECK (number >= 0),
    configuration TEXT NOT NULL,
    status TEXT NOT NULL,
    reason TEXT,
    attempt INTEGER NOT NULL,
    value REAL,
    best_interval INTEGER,
    created REAL NOT NULL,
    started REAL,
    ended REAL,
    duration_s REAL,
    devices TEXT NOT NULL,
    exit_code INTEGER,
    signal TEXT,
    report_offset INTEGER NOT NULL,
    dropped INTEGER NOT NULL,
    log_dropped_bytes INTEGER NOT NULL
);
CREATE TABLE name (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
);
CREATE TABLE metric (
    name INTEGER NOT NULL,
    run INTEGER NOT NULL,
    interval INTEGER NOT NULL,
    step INTEGER,
    value REAL,
    flag INTEGER NOT NULL,
    at REAL NOT NULL,
    PRIMARY KEY (name, run, interval)
) WITHOUT ROWID;
CREATE TABLE note (
    name INTEGER NOT NULL,
    run INTEGER NOT NULL,
    ordinal INTEGER NOT NULL,
    step INTEGER,
    text TEXT NOT NULL,
    at REAL NOT NULL,
    PRIMARY KEY (name, run, ordinal)
) WITHOUT ROWID;
CREATE TABLE summary (
    run INTEGER NOT NULL,
    name INTEGER NOT NULL,
    count INTEGER NOT NULL,
    notes INTEGER NOT NULL,
    last REAL,
    last_flag INTEGER NOT NULL,
    last_step INTEGER,
    lowest REAL,
    lowest_interval INTEGER,
    highest REAL,
    highest_interval INTEGER,
    PRIMARY KEY (run, name)
) WITHOUT ROWID;
-- version 2
CREATE TABLE curve (
    name INTEGER NOT NULL,
    run INTEGER NOT NULL,
    piece INTEGER NOT NULL,
    reports BLOB NOT NULL,
    PRIMARY KEY (name, run, piece)
) WITHOUT ROWID;
CREATE TABLE death (
    run INTEGER PRIMARY KEY,
    count INTEGER NOT NULL
);
-- version 3
CREATE TABLE parent (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    sweep_id TEXT NOT NULL,
    runs INTEGER NOT NULL,
    dropped TEXT NOT NULL,
    notes TEXT NOT NULL
);
CREATE TABLE earlier (
    id INTEGER PRIMARY KEY,
    parent INTEGER NOT NULL,
    run INTEGER NOT NULL,
    configuration TEXT NOT NULL,
    status TEXT NOT NULL,
    value REAL,
    reports BLOB NOT NULL
);
-- version 4
ALTER TABLE run ADD COLUMN sampler_s REAL;
-- version 5
CREATE TABLE proposal (
    run INTEGER PRIMARY KEY,
    made TEXT NOT NULL
);
CREATE TABLE stop (
    run INTEGER PRIMARY KEY,
    told TEXT NOT NULL
);
CREATE TABLE attempt (
    run INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    reason TEXT,
    started REAL,
    ended REAL,
    devices TEXT NOT NULL,
    PRIMARY KEY (run, attempt)
) WITHOUT ROWID;
