"""Recognize plates, wells, batches, compounds and controls by the names that the field gives them."""
