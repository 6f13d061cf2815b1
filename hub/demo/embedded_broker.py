"""The broker of the one-command centre where no mosquitto is installed: amqtt, MQTT 3.1.1, on loopback.

`python -m hub.demo.embedded_broker --port N` prints one line when it listens and runs until it is told to end. It
keeps nothing on disk and knows no passwords: for one machine, never for a centre. A process of its own, so that no
fault of it can touch the hub.
"""

from __future__ import annotations

import asyncio
import logging
import signal

import click

READY = "embedded broker listens on"


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--port", type=click.IntRange(1, 65535), required=True, help="TCP port on 127.0.0.1.")
def main(port: int) -> None:
    """Run the embedded broker on 127.0.0.1 until SIGTERM or Ctrl-C."""
    logging.basicConfig(level=logging.ERROR, format="%(name)s: %(message)s")
    logging.getLogger("amqtt").setLevel(logging.CRITICAL)  # it logs every lost client and a taken port as an error
    try:
        asyncio.run(_serve(port))
    except ImportError:
        raise click.ClickException("the embedded broker needs the package amqtt (pip install '.[demo]')") from None


async def _serve(port: int) -> None:
    from amqtt.broker import Broker
    from amqtt.errors import BrokerError

    broker = Broker(
        {
            "listeners": {"default": {"type": "tcp", "bind": f"127.0.0.1:{port}"}},
            "timeout_disconnect_delay": 5,  # without it a client whose ping comes on the last moment is cut off
            "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
        }
    )
    try:
        await broker.start()
    except BrokerError as error:
        raise click.ClickException(f"the embedded broker cannot listen on 127.0.0.1:{port}: {error}") from None
    done = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, done.set)
    click.echo(f"{READY} 127.0.0.1:{port}")
    await done.wait()
    await broker.shutdown()


if __name__ == "__main__":
    main()
