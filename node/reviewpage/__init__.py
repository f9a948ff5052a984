"""The review page: items one by one or in a grid, answers that are kept at once and sealed when confirmed.

A browser on this machine opens it by a secret address; a phone on the same network by a code, over TLS, if
its owner asks for it. With JavaScript the page paints from memory and saves behind the reader's back;
without it, every item is a form.

desk         what lies before the reviewer, and what they say, as data
answers      an answer as a form has it, and in its canonical form
contents     what browsers get of items: they come from strangers
session      what outlives a start, since browsers keep answers under it; what opens the page does not
gate         who may see it
pairing      how a phone comes in
certificate  what a phone is shown
address      under which it comes
app          the addresses for scripts
forms        the same pages without a script
server       the sockets
static/      the scripts: main.js says what each is for
"""
