"""The models the desk runs: manifest, fetch step, and the check that a file is the one that was measured."""
