"""Executors start and end the processes of runs."""
