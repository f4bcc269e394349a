import argparse
import os

from azureml.core import Run

parser = argparse.ArgumentParser()
parser.add_argument("--epochs", type=int)
parser.add_argument("--learning-rate", type=float)
parser.add_argument("--neurons", type=int)
parser.add_argument("--resume-from", type=str, default=None)
arguments = parser.parse_args()

run = Run.get_context()
first = 0
if arguments.resume_from:
    for folder, _, files in os.walk(arguments.resume_from):
        if "checkpoint.txt" in files:
            with open(os.path.join(folder, "checkpoint.txt")) as file:
                first = int(file.read())
run.log("first_epoch", first)
os.makedirs("outputs", exist_ok=True)
for epoch in range(first, first + arguments.epochs):
    accuracy = 1 - 0.5 ** (epoch + 1) - arguments.learning_rate - 1 / arguments.neurons
    run.log("training_acc", accuracy + 0.01)
    run.log("validation_acc", accuracy)
    with open("outputs/checkpoint.txt", "w") as file:
        file.write(str(epoch + 1))
run.log("final_acc", accuracy)
