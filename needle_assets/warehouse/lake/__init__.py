"""A warehouse that several machines share: DuckLake, its catalogue in Postgres, its rows as Parquet in a folder or on S3."""

# The message of a commit that readers may see.
PUBLISHED = "published"
