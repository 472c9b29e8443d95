"""What checks share: views of the screen, relabelled wells, control-whitened space, intervals."""
