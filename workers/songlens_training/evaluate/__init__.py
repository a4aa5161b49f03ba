"""How good recommendations are.

similar/        similar words from three sources
queries.py      query images, from a file or held out
membership.py   which songs contain which words
truth.py        which songs are right for a keyword, by the rank of the first similar word
held_out.py     a model learned without its query images
version.py      a model version that was built before
evaluated.py    what is known of a model under evaluation, whichever of the two it is
systems.py      proposed, KM, POP, random
metrics.py      how good lists are
scoring.py      lists against the ground truth
bootstrap.py    intervals over query images
evaluation.py   all of it: one evaluation
report.py       ... as JSON and Markdown, plots.py as PNG and SVG
results.py      files that are there whole or not at all
sweep.py        the proposed system at many settings, and sweep_report.py
precision.py    the one figure that every build reports
"""
