"""Pictures, frames and sound in files. Knows no model, no rows and no page."""
