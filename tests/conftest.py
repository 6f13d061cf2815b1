"""What holds for every test."""

from hypothesis import HealthCheck, settings

# Nothing here is timed: on a loaded machine an example takes as long as it takes, and finding one may be slow too.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")
