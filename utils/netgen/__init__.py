"""Makers of random networks for utils/random_net.py: one file for each kind of op, `net.py` for what they share."""
