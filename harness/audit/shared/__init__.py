"""Shared by several checks: views of the screen, relabelled wells, control-whitened space, intervals."""
