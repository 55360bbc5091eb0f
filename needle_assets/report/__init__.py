"""The report: one page of tables and figures, beside the numbers that the paper prints."""
