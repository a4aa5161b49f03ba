"""Offline work: from songs and images to a published model version. Serving code never imports it.

catalogue/    read songs, images and listening logs, every row checked
collect/      images for keywords: from folders, manifests and the web, politely
keywords/     segment lyrics, choose keywords, weigh them
graph/        the heterogeneous graph of keywords, songs, images and users
embedding/    network embedding: LINE and its kin
model/        build, extend and publish model versions
distributed/  features of a catalogue by many machines: the jobs of a plan's shards, and the build that waits for them
evaluate/     is it any good?
generated/    a catalogue painted and written for the project, with a planted truth
open_data/    a catalogue from open data
commands/     the verbs of the command line
"""
