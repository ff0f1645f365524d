"""Every page, one noun a file; what is in a page is registered when it is imported."""
