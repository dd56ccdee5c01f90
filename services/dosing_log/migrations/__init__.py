"""The schema of the dosing log, step by step."""
