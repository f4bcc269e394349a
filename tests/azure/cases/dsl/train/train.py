import argparse
import os
import pathlib

from azureml.core import Run

parser = argparse.ArgumentParser()
for name in ("data", "shape", "model_output", "test_data", "verbose"):
    parser.add_argument("--" + name)
parser.add_argument("--strength", type=float)
args = parser.parse_args()
rows = pathlib.Path(args.data).read_text().splitlines()
os.makedirs(args.model_output, exist_ok=True)
pathlib.Path(args.model_output, "strength.txt").write_text(f"{args.strength} {args.shape}")
pathlib.Path(args.test_data, "test.csv").write_text(rows[-1])
Run.get_context().log("training_f1_score", 1 - abs(args.strength - 0.7))
