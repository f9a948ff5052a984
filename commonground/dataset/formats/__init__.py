"""A dataset in the files of other tools: a copy, made of its Parquet files and nothing else.

    registry       which formats there are, and what each takes
    table          what a writer gets: columns, rows, answers
    sink           where it writes: a folder, or nowhere, to see what would be in it
    copies         makes a copy beside the dataset, and checks one by making it again
    json_lines, comma_separated, label_studio, coco, yolo, hugging_face    the writers
    naming, sizes  names that every file system takes; how large a picture is

A writer streams: memory holds a row group, whatever the size of the dataset. The same dataset gives the same
bytes, so that a copy is checked against the dataset that it was made of.
"""
