"""Reads songs and images from files, every row checked."""
