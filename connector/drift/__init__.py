"""Where a mapping and its source have drifted apart: by what the source tells of itself, and by what is landed.

`live` compares the mapping with the source's metadata, `landed` with the landed records; both are pure and give
`Finding`s. `kept` holds what a source last told of itself, `watch` is the cheap form that runs with each sync, and
`lint` the command `connector mapping lint`.
"""
