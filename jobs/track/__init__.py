"""The track endpoint: what the Improve AI clients send becomes event files; an answer of 200 means it is on disk."""
