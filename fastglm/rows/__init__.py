"""The rows of a model: response, weights, offsets and designs, read and checked."""
