"""How much of everything a rate of images needs, reckoned from measured figures: `songlens bench capacity`."""
