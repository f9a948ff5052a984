"""The command line that ties the rooms together, and the demo. Nothing imports this package."""
