"""Values in, values out: what messages, people and time mean, without a clock, a file or a network."""
