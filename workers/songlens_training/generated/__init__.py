"""A catalogue made for Songlens: painted scenes and original songs, with a planted truth, of any size by seed."""
