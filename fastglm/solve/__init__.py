"""The loop around the sweep: steps, halving, convergence, factorisation, scaling, threads."""
