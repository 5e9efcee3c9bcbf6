"""The SQL store: traces, content, feedback, spend and keys, in SQLite beside the process.

    gateway ──put──▶ RecordWriter (bounded queue) ──one thread, group commit──▶ SQLite
       │                                               ▲
       └─reserve, settle──▶ Ledger (memory) ──▶ charge journal ──with the same commit

What survives what is written in docs/decisions/store.md. All SQL is in `schema` and `statements`, so that another
database needs these two and `database` anew.
"""
