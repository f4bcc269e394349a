"""What a person sees of a sweep: the model of its progress, the live table, plain lines."""
