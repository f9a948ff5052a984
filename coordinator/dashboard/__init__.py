"""The operator's dashboard: pages for people, made on the server from the state and the log.

site, routes   which URL shows what; caching
campaigns, people, epochs, money, training, datasets, log     what each page says
keeping   what takes long to make, kept for a while
words     a log entry as a sentence
charts    drawings, as SVG
formats   how numbers and names are written
"""
