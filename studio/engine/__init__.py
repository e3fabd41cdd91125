"""Everything that turns a request into frames and sound: catalog, pipeline, grids. Knows no files, no jobs, no page."""
