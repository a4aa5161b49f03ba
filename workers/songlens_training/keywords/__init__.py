"""From lyrics to weighted keywords.

options.py       which words become keywords
word_files.py    lists of words and user dictionaries, read with every bad line named
folding.py       traditional characters -> simplified ones
dictionary.py    jieba's dictionary with the user's words, and the cut of a text by it
candidates.py    the candidate words of one song
uses.py          which song holds which candidates, in columns
segmentation.py  all songs, on all cores
selection.py     the candidates that become keywords, and those that nearly did
table.py         the keywords and their weights
report.py        each keyword with counts and examples
"""
