// Package lake kills the sinks that write files and the topic of OCSF, on a real Kafka.
package lake
