"""The smallest script with the arguments of Azure's hello-sweep: logs a random number."""

from __future__ import annotations

import argparse
import random

from hdcore import get_run

parser = argparse.ArgumentParser()
parser.add_argument("--A", type=float, default=0.5)
parser.add_argument("--B", type=str, default="hello world")
parser.add_argument("--C", type=float, default=1.0)
arguments = parser.parse_args()

print(f"A={arguments.A} B={arguments.B} C={arguments.C}")
get_run().log("random_metric", random.random())
