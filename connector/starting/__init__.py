"""`connector init`: a config and a mapping written from what a source tells of itself, and later runs that add to them.

`stages` guesses what a stage stands for, `pipelines`, `fields` and `entries` make the parts of a mapping file, `config`
those of a config; all of these are pure. `start` asks the source and writes the files.
"""
