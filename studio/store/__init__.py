"""What the studio keeps: rows in SQLite, files beside them, and the library that keeps both in step."""
