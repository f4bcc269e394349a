import argparse

from azureml.core.run import Run

run = Run.get_submitted_run()
parser = argparse.ArgumentParser()
parser.add_argument("--data-folder")
parser.add_argument("--alpha", type=float)
arguments = parser.parse_args()
run.log("alpha", arguments.alpha)
run.log("mse", (arguments.alpha - 0.5) ** 2)
