"""The heterogeneous graph of keywords, songs, images and users."""
