"""What is known of the landing folder: files, packets, snapshots."""
