"""Replicates of compounds: the engine of identity, prevalence, retrieval and the replicate metrics."""
