"""The command line: `main` holds the table of commands, every other module one group of them."""
