"""The client's own verbs of the `songlens` command."""
