import argparse
import os

from azureml.core.run import Run

parser = argparse.ArgumentParser()
parser.add_argument("--num_epochs", type=int, default=25)
parser.add_argument("--output_dir", type=str)
parser.add_argument("--learning_rate", type=float, default=0.001)
parser.add_argument("--momentum", type=float, default=0.9)
arguments = parser.parse_args()
run = Run.get_context()
run.log("lr", float(arguments.learning_rate))
best = 0.0
for epoch in range(arguments.num_epochs):
    best = max(best, 1 - abs(arguments.learning_rate - 0.002) * 100 - 1 / (epoch + 1) / 2)
    run.log("best_val_acc", float(best))
os.makedirs(arguments.output_dir, exist_ok=True)
with open(os.path.join(arguments.output_dir, "model.pt"), "w") as file:
    file.write(str(best))
