"""``mlflow.utils``: limits that trainers ask for before they log."""
