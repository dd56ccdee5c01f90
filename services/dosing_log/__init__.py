"""Dosing log: supervised dose records.

Promises:
* Permission may be refused, a fact never. `AuthorizeDose` and `ApproveDischarge` name everything that stands in the
  way; a dose, a wastage or a departure that was reported well-formed is stored with what it breaks, as a deviation.
  A fact of a session that no event has told of waits (UNAVAILABLE), since it would have no patient.
* Nothing is changed. A correction is a new version with who, when and why; the view as of any recorded time stays.
* Every version, signature, movement, lot and access is committed to by the organization's ledger in the transaction
  that writes it. What is read back is what was committed to.
* Every milligram is accounted for, exactly: drawn = given + wasted + returned, and the balances of a lot chain without
  a gap and never fall below zero, under any concurrency.
* A signature needs a token and a PIN, covers one version of one record, and fits no other.
* No patient data is answered before its access record is committed; a denial leaves one too.
* Changes to one patient's records happen one after the other, so that no rule is judged on a view that is changing.
"""
