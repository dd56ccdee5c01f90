"""Dosing log: supervised dose records."""
