"""Runs the server and the baselines under load, side by side, and writes down what came of it."""
