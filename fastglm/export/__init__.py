"""A fitted model for other engines: SQL and ONNX."""
