"""Collects catalogue images for keywords: from folders, from manifests, and from the web, politely.

sources.py       what an image source is          listed.py, openverse.py    the sources
wanted.py        keywords and their translations  licences.py                licence codes
web.py           one polite way to GET, over transport.py, addresses.py, robots.py, politeness.py and retry.py
download.py      an image onto the disk, checked by checks.py, remembered in journal.py
duplicates.py    images that show the same        writing.py                 the finished catalogue
collect.py       the run
"""
