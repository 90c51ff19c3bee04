"""The benchmark: the gateway under load, beside the least that its writes can cost and beside what a tutorial shows."""
