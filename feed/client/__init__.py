"""Programs that read a gateway."""
