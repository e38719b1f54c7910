// Package stream is the edge to Kafka. It knows the topics of the contract,
// how to connect, and two ways of reading: [Transform], which consumes,
// keeps state and produces exactly once, and [Reader], which consumes at least
// once for those who can repeat without harm. A message that a Transform can
// never process is searched for, refused, and stops no other.
//
// Of the pipeline's packages it alone imports franz-go (package producer,
// which other programs import, does so for itself).
package stream
