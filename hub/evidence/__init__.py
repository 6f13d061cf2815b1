"""What becomes of film and records at the hub: where they lie, how they are played, bundled, verified and removed."""
