"""Thin Flink shells around the rules of `lambda_learner`: state, timers, sources and sinks."""
