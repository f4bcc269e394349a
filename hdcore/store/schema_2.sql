CREATE TABLE parent (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    sweep_id TEXT NOT NULL,
    runs INTEGER NOT NULL,
    dropped TEXT NOT NULL,
    notes TEXT NOT NULL
);
CREATE TABLE earlier (
    parent INTEGER NOT NULL,
    run INTEGER NOT NULL,
    configuration TEXT NOT NULL,
    status TEXT NOT NULL,
    value REAL,
    reports TEXT NOT NULL,
    PRIMARY KEY (parent, run)
) WITHOUT ROWID;
