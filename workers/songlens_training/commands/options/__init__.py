"""Options of the command line that verbs share: groups of them, and what each group makes."""
