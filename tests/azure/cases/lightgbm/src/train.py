import argparse
import os

from azureml.core import Run

parser = argparse.ArgumentParser()
parser.add_argument("--table")
parser.add_argument("--learning-rate", type=float)
parser.add_argument("--boosting")
arguments = parser.parse_args()

assert os.path.isfile(arguments.table), arguments.table
run = Run.get_context()
run.tag("boosting", arguments.boosting)
for round_number in range(6):
    run.log("test-multi_logloss", 1 / (round_number + 1) + arguments.learning_rate, step=round_number)
os.makedirs("outputs", exist_ok=True)
with open("outputs/model.txt", "w") as file:
    file.write(arguments.boosting)
