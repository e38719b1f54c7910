// Package away asks the gate, on a real Kafka, while something that it needs is away.
package away
