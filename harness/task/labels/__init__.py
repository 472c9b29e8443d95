"""Labels of compounds, and how they are joined to the wells of a screen.

They are separate from the wells table on purpose: a normalizer receives wells, and must never see a label.
"""
