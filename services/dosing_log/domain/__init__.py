"""What the dosing log is about, in plain Python: contents of records, rules, stock, signatures. No I/O."""
