"""The pure part: text in, records out; no file, no network, no clock."""
