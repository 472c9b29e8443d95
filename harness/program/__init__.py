"""A command as a process: how it starts, is interrupted, speaks and ends, whatever it does. Imports nothing heavy."""
