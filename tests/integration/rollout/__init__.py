"""A rolling update: gateways behind a real proxy, replaced one after the other while clients read."""
