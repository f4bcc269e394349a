import argparse
import pathlib

parser = argparse.ArgumentParser()
for name in ("model", "test_data", "result", "label"):
    parser.add_argument("--" + name)
args = parser.parse_args()
model = pathlib.Path(args.model, "strength.txt").read_text()
row = pathlib.Path(args.test_data, "test.csv").read_text()
pathlib.Path(args.result, "scored.txt").write_text(f"{args.label}: {row} by {model}")
