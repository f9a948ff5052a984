"""What the dashboard and a contributor's own page have in common; each adds its views and its own looks.

server.py    a socket, and uvicorn on it, inside a process that has a life of its own
gate.py      who may see a page of one's own
connections.py   who may be connected, and for how long
headers.py   what every answer says to browsers
charts.py    drawings as SVG, for pages without scripts
pages.py     templates and static files: the site's own folders first, then templates/ and static/ here
static/      base.css (what both look like), live.js (keeps an open page up to date)
"""
