"""Which photos a batch scores, and the bytes of each.

Planning:

item.py           one photo of a batch
opening.py        from the text that names a SOURCE to what lists its photos
folder.py         a folder or prefix
manifest.py       a table that lists photos; its rows are read in manifest_rows.py
tars.py           WebDataset tars, one after another; the members of one are read in tar_members.py
patterns.py       the braces and wildcards that name many tars
files.py          what these need of a file system; on this machine in local_files.py, elsewhere in store_files.py
addresses.py      paths and URLs
photo_names.py    which names are photos, tars or hidden

Reading, in the jobs:

reading.py        the bytes of an item, wherever it lies: on this machine (reading_files.py, open_files.py), in an
                  object store (reading_stores.py) or on a web server (reading_web.py)
row_failed.py     why there are none
stamps.py         the fingerprint that tells whether a file has changed since it was listed
"""
