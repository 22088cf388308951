"""The command line."""

__all__ = ["main"]


def main() -> None:
    """Run the command line: the entry point that installing creates."""
    # Imported here: the commands' libraries take long, and `fastglm.cli.warmup` needs none of them.
    from fastglm.cli.commands import main as run

    run()
