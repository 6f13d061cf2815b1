"""The catalogues of the pages, and how what is to be translated is found (`make translations`)."""
