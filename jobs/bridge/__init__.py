"""`lambda-learner bridge`: copies a stream of Kinesis into a topic of Kafka, each record exactly once."""
