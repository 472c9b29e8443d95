"""Process of a command: start, interrupts, output and exit status. Imports nothing heavy."""
