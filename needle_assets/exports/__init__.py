"""What leaves the warehouse: folders that others load without this package."""
