"""Probes that predict the batch of wells: the engine of the batch probe and of the batch cost."""
