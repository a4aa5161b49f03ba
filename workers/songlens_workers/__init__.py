"""The streaming stages: photos to neighbour images (vision), neighbour images to songs (songs)."""
