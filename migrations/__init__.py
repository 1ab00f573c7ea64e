"""What a release does to an existing project: one module per release that needs one, and their helpers.

Copier runs this folder with its own Python (`_migrations`, in `registered.yml`), in the project, before and after it merges.
"""
