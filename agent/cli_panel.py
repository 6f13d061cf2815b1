"""`ems-agent panel`: hold lamp, buzzer and button for the desk, or put them into their safe state."""

from __future__ import annotations

import click

from agent import config, logs
from agent.supervision import set_at_signals


@click.command()
@click.option("--safe", "is_safe", is_flag=True, help="Only switch lamp and buzzer off and free their pins.")
def panel(is_safe: bool) -> None:
    """Hold lamp, buzzer and button until SIGTERM, and show FAULT when the desk's process falls silent."""
    from agent import host
    from agent.devices import panel_pins
    from agent.panel import Panel, PanelProblem, make_safe
    from agent.panel_process import PanelProcess, listen, remove

    try:
        settings = config.load()
        logs.begin(settings.log_level, settings.log_format, "ems-panel", unit=lambda: settings.unit)
        if is_safe:
            make_safe(panel_pins(settings))
            return
        if settings.panel_socket is None:
            raise config.BadSetting("EMS_PANEL_SOCKET: the panel's process needs it, and the desk's the same")
        process = PanelProcess(
            listen(settings.panel_socket),
            lambda on_button: Panel(panel_pins(settings), on_button),
            host.Clock().now,
        )
    except (config.BadSetting, PanelProblem) as error:
        click.echo(f"ems-agent: {error}", err=True)
        raise SystemExit(2) from None
    set_at_signals(process.stopping)
    process.run()
    remove(settings.panel_socket)
