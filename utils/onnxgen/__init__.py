"""Makers of random ONNX models for utils/random_onnx.py: one file for each kind of operator, `model.py` for what they share."""
