"""Brokers for the hostile tests."""

from tests.brokers import broker, mosquitto_broker

__all__ = ["broker", "mosquitto_broker"]
