"""What is right in a running trial: pure functions over the typed protocol, no Django, no clock, no file."""
