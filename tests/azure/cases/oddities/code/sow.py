import argparse
import os

from azureml.core import Run

parser = argparse.ArgumentParser()
for name in ("seeds", "fields", "pages"):
    parser.add_argument(f"--{name}")
parser.add_argument("--depth", type=int)
arguments = parser.parse_args()
run = Run.get_context()
assert run.input_datasets["seeds"].to_pandas_dataframe()["kind"].tolist() == ["rye"]
assert os.listdir(arguments.fields) == ["north.txt"], arguments.fields
assert os.listdir(arguments.pages) == ["one.txt"], arguments.pages
os.makedirs("outputs", exist_ok=True)
with open("outputs/model.txt", "w") as file:
    file.write(str(arguments.depth))
run.log("yield", arguments.depth)
