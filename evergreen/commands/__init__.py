"""One module per command. Each does its work through the modules beside this package and prints what came of it."""
