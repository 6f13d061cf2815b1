"""Values in, values out: no clock, no file, no thread, no network. `now` is always an argument."""
