"""The rules of a dose. `table` lists them all; the codes are those of the clinical reference."""
