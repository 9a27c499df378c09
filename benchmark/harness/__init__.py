"""Runs the server and the baselines under load and writes the results."""
