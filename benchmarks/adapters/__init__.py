"""How each library is asked: one registered function per library, task and variant.

An adapter turns data into a `Job`: `run` is the whole call a user would write and alone is timed;
`inspect` then takes from its result what must agree between libraries. Libraries are imported
inside the functions, so that a process holds only the one it measures.
"""

from benchmarks.adapters import after_fit, fits, responses
from benchmarks.adapters.registry import ADAPTERS, Adapter, Job, Outcome

__all__ = ["ADAPTERS", "Adapter", "Job", "Outcome", "after_fit", "fits", "responses"]
