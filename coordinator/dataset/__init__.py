"""Datasets as buyers get them: one folder for each snapshot, written whole or not at all.

    snapshots   which items, by rule; the record that says so
    content     what was fetched from contributors, kept until it is withdrawn
    rows        an item as a row: every column, and where its value comes from
    parquet     rows to Parquet files of bounded size
    evidence    what proves the items against the log
    facts       what the descriptions say of the whole, counted while rows are written
    croissant   croissant.json (MLCommons Croissant 1.1)
    card        README.md, the dataset card
    folder      all of it into datasets/<snapshot>, signed
    sweep       deletes what somebody withdrew

`rows` and `evidence` define the formats, so that commonground/dataset/check.py reads what they write.
pyarrow is imported in `parquet` alone.
"""
