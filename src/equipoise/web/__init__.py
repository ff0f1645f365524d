"""The running trial in a browser: pages that ask, show and post; the actions (`conduct`) decide every rule."""
