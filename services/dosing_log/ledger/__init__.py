"""A tamper-evident log of fixed-size entries, kept in PostgreSQL and checkable by anyone who holds the public key.

Promises:
* An entry commits to a record and its signatures and shows nothing of either (`commitment`).
* Entries of one organization form one RFC 6962 Merkle tree (`merkle`), in the order they were sequenced, without gaps.
* An event enters its log once (`tables`: unique keys and a trigger) and never leaves it (append-only triggers).
* A checkpoint (C2SP tlog-checkpoint in a C2SP signed note: `checkpoint`, `note`) is signed only after the stored
  entries were hashed again and found to extend the tree of the checkpoint before it (`publisher`).
* Entries, checkpoint and public key suffice to verify the log, without this database (`verify`).

It proves what was recorded and in which order, not that it was true. Nothing here imports the rest of the suite.
"""
