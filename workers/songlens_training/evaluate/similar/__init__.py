"""Which words are conceptually similar to a keyword, from three independent sources behind one contract.

source.py         the contract
conceptnet.py     ConceptNet's own dump of assertions, the source of the paper
word_vectors.py   nearest words by cosine
word2vec.py       reads word vectors in word2vec's text and binary forms
synonym_package.py  reads word vectors that come with a package
thesaurus.py      Cilin, a thesaurus of five levels
opening.py        opens the source that `conceptnet=FILE`, `vectors` or `cilin` names
"""
