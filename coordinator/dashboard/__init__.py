"""The operator's dashboard: pages for people, made on the server from the state and the log.

site      which URL shows what; caching
people, epochs, money, training, datasets, log     what each page says
words     a log entry as a sentence
charts    drawings, as SVG
formats   how numbers and names are written
"""
