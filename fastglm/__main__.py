"""`python -m fastglm` is the command `fastglm`."""

from fastglm.cli.commands import main

if __name__ == "__main__":
    main()
