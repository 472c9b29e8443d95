"""Describe a screen and the members that apply to it, without computing or recording anything."""
