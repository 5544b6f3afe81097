"""The parts of patroni.py."""
