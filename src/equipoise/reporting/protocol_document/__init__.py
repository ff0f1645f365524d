"""The protocol as a document for sponsors, ethics committees and journals, in the order of ICH M11."""
