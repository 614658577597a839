"""Simulated logs: real ratings or synthetic traffic as lines in order of arrival, and their truth."""
