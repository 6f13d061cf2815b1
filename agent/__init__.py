"""The desk: one process on one desk unit."""
