"""The running trial in a browser: pages that ask, show and post; every rule is the actions' own (`conduct`)."""
