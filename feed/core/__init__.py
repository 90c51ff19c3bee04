"""Pure market-data types and rules: no I/O, no clock, no event loop."""
