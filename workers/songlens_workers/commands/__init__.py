"""The server-side verbs of the `songlens` command. Light to import: what is heavy is imported when a verb runs."""
