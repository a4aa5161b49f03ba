"""Photos that a request names by uri, and a worker fetches.

prefixes.py     which uris are allowed, in one spelling
web.py          http and https, from addresses that were checked
files.py        files beneath a folder
stores.py       object stores
time_limit.py   the whole time that a photo may take
reading.py      the bytes, never more than allowed
"""
