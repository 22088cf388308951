"""Hard cases with known answers, by every library: `python -m benchmarks.hard_cases`."""
