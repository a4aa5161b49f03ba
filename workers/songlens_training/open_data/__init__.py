"""The catalogue made of open data: Song and Yuan lyrics, emoji with Chinese keywords, and photographs to send.

packages.py     pinned archives, fetched through their own clients and verified
archives.py     reads members of an archive where it lies
lyrics.py       what is sung, without stage directions and speech
songs.py        Song ci and Yuan qu
lexicon.py      which emoji names mean which word of a lyric
emoji.py        emoji images and their keywords
photographs.py  real photos to send as queries
catalogue.py    all of it, as one catalogue folder
"""
