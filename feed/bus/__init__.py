"""The only room that knows Redis: names, the publish script, publisher, subscriber, log."""
