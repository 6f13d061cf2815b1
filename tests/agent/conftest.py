"""A broker for the agent's own checks."""

from tests.brokers import mosquitto_broker

__all__ = ["mosquitto_broker"]
