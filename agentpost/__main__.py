"""``python -m agentpost``: the command line."""

import sys


def main() -> int:
    """Run one command; returns the exit status."""
    # The commands below are the supervisor's own; they start often and must start fast, so they
    # do not load the command line.
    if sys.argv[1:2] in (["worker"], ["indexer"]):
        from agentpost.supervisor.worker import main as worker

        return worker(sys.argv[1:])
    if sys.argv[1:2] == ["prepare"]:
        from agentpost.supervisor.prepare import main as prepare

        return prepare()
    try:
        from agentpost.cli import main as command
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] == "agentpost":
            raise
        sys.stderr.write(f"{error.name} is missing: pip install 'agentpost[server]'\n")
        return 1
    return command()


if __name__ == "__main__":
    sys.exit(main())
