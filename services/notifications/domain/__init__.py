"""The rules of telling patients: plain values and functions, without input or output."""
