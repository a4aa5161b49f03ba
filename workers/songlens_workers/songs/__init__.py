"""The song stage: neighbour images in, songs out."""
