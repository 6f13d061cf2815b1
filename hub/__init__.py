"""The hub: one centre, processes that meet only in the store."""
