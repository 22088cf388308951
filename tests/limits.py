"""Disks that are full, as far as a process can tell."""

import resource
from contextlib import contextmanager


@contextmanager
def files_of_at_most(n_bytes):
    """Files that this process writes can have no more bytes: then writing fails."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
