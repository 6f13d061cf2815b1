"""`ems-agent`: run the desk, check it, analyse films and pictures, or judge a sitting again."""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from agent import cli_panel, cli_setup, cli_tools, config, logs
from agent.supervision import set_at_signals

if TYPE_CHECKING:
    from agent.app import Desk


class _OneLine(click.ClickException):
    """A problem that a person can mend: one line, exit code 2."""

    exit_code = 2

    def show(self, file: Any = None) -> None:
        click.echo(f"ems-agent: {self.message}", err=True)


def _settings() -> config.Settings:
    try:
        return config.load()
    except config.BadSetting as error:
        raise _OneLine(str(error)) from None


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="exam-monitoring-system")
def main() -> None:
    """The desk unit: records, looks, and tells the hub. Settings come from the environment and .env."""


@main.command()
def run() -> None:
    """Run the desk until it is told to stop (SIGTERM or Ctrl-C)."""
    settings = _settings()
    desk: Desk | None = None
    logs.begin(
        settings.log_level,
        settings.log_format,
        "ems-agent",
        unit=lambda: settings.unit if desk is None else desk.settings.unit,
        sitting=lambda: "" if desk is None else desk.sitting_name(),
    )
    # OpenCV, PyAV and the model are loaded only where they are needed: `--help` and a wrong setting answer at once
    from agent import enrolling, retiring, uploading
    from agent.app import Desk

    stopping = threading.Event()
    set_at_signals(stopping)
    with _in_one_line():
        retiring.resume(settings.storage_path)
        enrolled = enrolling.enrol(settings, stopping) if config.is_with_hub(settings) else None
        if stopping.is_set():
            return
        desk = made = Desk(settings) if enrolled is None else Desk(enrolled.settings, enrolled.identity)
    made.stopping = stopping
    renewing = enrolling.renewing(enrolled, made.clock, made.broker_trouble, made.take_grant, made.local.take_refusal)
    with renewing, uploading.sending(enrolled, made):
        made.run()


@main.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--json", "out", required=True, type=click.Path(path_type=Path), help="where the samples go")
@click.option("--alerts", type=click.Path(path_type=Path), help="where the alerts go")
@click.option("--fps", default=5.0, show_default=True, type=click.FloatRange(0.1, 60), help="looks a second")
@click.option("--rules", type=click.Path(path_type=Path), help="a TOML or JSON file of rules instead of the defaults")
@click.option("--log", "logs", type=click.Path(path_type=Path), help="a folder for observation logs, to replay")
@click.option(
    "--empty", type=click.Path(path_type=Path), help="a folder of pictures of the empty seats, by film's stem"
)
@click.option("--models", "models_folder", type=click.Path(path_type=Path), help="where the fetched models lie")
def analyse(
    files: tuple[Path, ...],
    out: Path,
    alerts: Path | None,
    fps: float,
    rules: Path | None,
    logs: Path | None,
    empty: Path | None,
    models_folder: Path | None,
) -> None:
    """Run vision and judge over films and pictures, as fast as it goes."""
    from agent.analyse import analyse as analyse_files

    with _in_one_line():
        code = analyse_files(
            list(files), out, alerts, fps=fps, rules=rules, logs=logs, empty=empty, models_folder=models_folder
        )
    sys.exit(code)


@main.command()
@click.argument("logs", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--rules", type=click.Path(path_type=Path), help="a TOML or JSON file of rules instead of the log's own")
@click.option("--json", "out", type=click.Path(path_type=Path), help="where both lists of alerts go")
def replay(logs: tuple[Path, ...], rules: Path | None, out: Path | None) -> None:
    """Judge a sitting again from its observation logs, in their order: what was raised, and what would be.

    A desk keeps them in STORAGE_PATH/observations, `analyse --log` writes them of films.
    """
    from agent.replay import ReplayProblem, replay_logs

    try:
        sys.exit(replay_logs(list(logs), rules, out))
    except ReplayProblem as problem:
        raise _OneLine(str(problem)) from None


class _in_one_line:
    """Turns the errors that say what to do into one line; all others keep their traceback."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _at: object) -> None:
        if error is None:
            return
        from agent.camera import CameraLost
        from agent.identity import IdentityProblem
        from agent.panel import PanelProblem
        from agent.records import RecordsError
        from agent.vision.runtime import VisionProblem
        from models import ModelProblem

        known = (
            config.BadSetting,
            CameraLost,
            IdentityProblem,
            ModelProblem,
            VisionProblem,
            PanelProblem,
            RecordsError,
            OSError,
        )
        if isinstance(error, known):
            raise _OneLine(str(error)) from None


main.add_command(cli_panel.panel)
main.add_command(cli_setup.setup)
main.add_command(cli_setup.replace)
for command in cli_tools.COMMANDS:
    main.add_command(command)

if __name__ == "__main__":
    main()
