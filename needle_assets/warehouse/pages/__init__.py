"""What the pages for people ask of the published warehouse, one module a page."""
