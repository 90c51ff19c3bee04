"""`feed trace`: one stream followed through every hop, from its venue to the clients."""
