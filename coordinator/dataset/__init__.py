"""Datasets as buyers get them: one folder for each snapshot, written whole or not at all.

    snapshots   which items, by rule; the record that says so
    content     what was fetched from contributors, kept until it is withdrawn
    ranking     the file that says whose answers were preferred, for campaigns that compare sources
    evidence    what proves the items against the log
    facts       what the descriptions say of the whole, counted while rows are written
    items       rows and proofs, item by item
    croissant   croissant.json (MLCommons Croissant 1.1)
    provenance  provenance.json (Data Provenance Standards 1.0.0)
    card        README.md, the dataset card
    folder      all of it into datasets/<snapshot>, signed
    sweep       deletes what somebody withdrew

Rows, their columns and Parquet are in commonground/dataset, where the check reads what is written here.
"""
