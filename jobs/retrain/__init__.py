"""The retrain worker: claims requests, trains models on the archive, and publishes those that pass the gate."""
