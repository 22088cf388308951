"""Speed and memory of fastglm beside its peers: `python -m benchmarks`."""
