"""The command line."""

__all__ = ["main"]


def main() -> None:
    """Run the command line: the entry point that installing creates."""
    # Reading a table's formats and drawing its texts take long to import; `-m` needs neither.
    from fastglm.cli.commands import main as run

    run()
