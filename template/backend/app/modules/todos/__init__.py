"""Todos: the example module, to copy or to delete."""
