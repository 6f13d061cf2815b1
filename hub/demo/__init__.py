"""The one-command centre: broker, hub and desks as separate processes on one machine, for trying and for showing.

Nothing in it stands in for a part of the product: it starts the same programs that a centre runs, with settings for
one machine. Only the cameras play scenes or films.
"""
