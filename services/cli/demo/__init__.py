"""`kat demo`: one clinic day, told through public RPCs alone, on a clock that the demo moves."""
