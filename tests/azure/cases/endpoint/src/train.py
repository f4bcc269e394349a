import argparse
import os

from azureml.core import Run

parser = argparse.ArgumentParser()
parser.add_argument("--rate", type=float)
parser.add_argument("--model")
arguments = parser.parse_args()
assert os.path.isdir(arguments.model)
with open(os.path.join(arguments.model, "MLmodel"), "w") as file:
    file.write(str(arguments.rate))
Run.get_context().log("score", 1 - arguments.rate)
