"""Nearest catalogue images of a photo: kinds of image index, how one is opened, and which one a catalogue gets."""
