"""Forgets a person: what the command does in the buckets, and what it tells the job."""
