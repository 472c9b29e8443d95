"""Labels of compounds, and how they are joined to the wells of a screen.

They are kept apart from the wells table on purpose: a normalizer is given wells, and must never see a label.
"""
