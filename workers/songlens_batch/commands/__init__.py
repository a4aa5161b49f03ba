"""`songlens batch` and `songlens worker jobs`."""
