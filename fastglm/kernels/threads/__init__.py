"""How many threads run, and the one parallel loop."""
