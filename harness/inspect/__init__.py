"""What a screen holds and what can be done with it, told without computing or recording anything."""
