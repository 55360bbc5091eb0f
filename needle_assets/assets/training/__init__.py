"""The training set of classifiers and of image checkers: from rows to arrays and tasks."""
